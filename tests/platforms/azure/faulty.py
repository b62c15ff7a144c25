"""The faults that pass, as parameters of a test: two of them in `make test`, all in `make test-long`."""

from __future__ import annotations

from typing import Final

import pytest

from tests.emulator.faults import PASSING

QUICK: Final = {"throttle", "drop-answer"}
"""Azure asks to wait, and Azure has done it without saying so: each of the others is like one of them."""
KINDS: Final = [pytest.param(kind, marks=() if kind in QUICK else pytest.mark.long) for kind in PASSING]
