"""The benchmark of the scoring service."""
