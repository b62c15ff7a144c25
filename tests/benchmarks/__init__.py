"""Benchmarks run and measure; how fast is not a test's business."""
