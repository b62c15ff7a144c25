from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from platforms.azure.settings import AzureSettings
from tests.emulator import azurite
from tests.emulator.emulator import Emulator
from tests.emulator.world import World


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One provisioned offline Azure for all tests of this worker; names within it must be the test's own."""
    if reason := azurite.missing():
        if os.environ.get("CI"):
            raise RuntimeError(reason)
        pytest.skip(reason)
    made = Emulator(tmp_path_factory.mktemp("azure"))
    try:
        made.start()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in made.environment().items():
                patch.setenv(name, value)
            yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def world(emulator: Emulator) -> World:
    return emulator.world


@pytest.fixture(scope="session")
def azure(emulator: Emulator) -> AzureSettings:
    """The settings that the emulator's environment makes."""
    return AzureSettings()
