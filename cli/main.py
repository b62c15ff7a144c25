"""Entry point of `ridgeline`."""


def main() -> None:
    """Run the command line."""
    raise SystemExit("ridgeline: not built yet")
