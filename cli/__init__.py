"""The `ridgeline` command: only what Prefect's own CLI lacks."""
