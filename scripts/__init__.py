"""Tools for people who work on Ridgeline; nothing of it runs in production."""
