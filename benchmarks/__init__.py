"""Repeatable measurements; their results stand in docs/benchmarks.md."""
