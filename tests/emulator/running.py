"""An emulator for the time of a context, and its variables in this process's environment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.emulator import azurite
from tests.emulator.emulator import Emulator


@contextmanager
def running(folder: Path, *, provisioned: bool = True) -> Iterator[Emulator]:
    """An offline Azure; where Azurite cannot run the test is skipped, but in CI it fails."""
    if reason := azurite.missing():
        if os.environ.get("CI"):
            raise RuntimeError(reason)
        pytest.skip(reason)
    emulator = Emulator(folder, provisioned=provisioned)
    try:
        yield emulator.start()
    finally:
        emulator.close()


@contextmanager
def adopted(folder: Path) -> Iterator[Emulator]:
    """A provisioned one, as the Azure of this process."""
    with running(folder) as emulator, led_to(emulator):
        yield emulator


@contextmanager
def led_to(emulator: Emulator) -> Iterator[None]:
    """Let this process's variables lead to the emulator, but for the platform: each test chooses its own."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.environment().items():
            if name != "RIDGELINE_PLATFORM":
                patch.setenv(name, value)
        yield
