"""For benchmarks that measure running services."""

from __future__ import annotations

import argparse

from cli.services import adopt_running
from platforms.errors import PlatformError


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments, once this process is a client of the services; ends it if there are none."""
    asked = parser.parse_args()
    try:
        adopt_running()
    except PlatformError as error:
        parser.error(str(error))
    return asked
