"""The adapters of Azure ML and the container registry on the emulator, and training programs that take no time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from platforms.azure import clients
from platforms.azure.champion import Champions
from platforms.azure.compute import AzureCompute
from platforms.azure.folders import Folders
from platforms.azure.machine_learning import MachineLearning
from platforms.azure.registry import AzureRegistry
from platforms.azure.settings import AzureSettings
from platforms.azure.storage import BlobStorage
from platforms.azure.texts import Texts
from platforms.azure.training_job import CODE
from platforms.values import Image

PROGRAM = """
import json, pathlib, sys, time
def place(name):
    return pathlib.Path(sys.argv[sys.argv.index(name) + 1])
out, table = place("--out"), place("--table")
print("started", *sys.argv[1:], flush=True)
def finish():
    (out / "model").mkdir()
    (out / "model" / "MLmodel").write_text("flavors: {}")
    (out / "metrics.json").write_text('{"mse": 1.5}')
    (out / "result.json").write_text("{}")
def wait_for(name):
    while not pathlib.Path(name).exists():
        time.sleep(0.01)
"""


@dataclass(frozen=True)
class Workspace:
    """The adapters of one test; what they keep on this machine is below `folder`."""

    client: MachineLearning
    storage: BlobStorage
    folder: Path

    def compute(self, body: str = "finish()", timeout: float = 60.0) -> AzureCompute:
        """A compute whose `python -m training` is the given program."""
        root = self.folder / "root"
        for package in CODE:
            (root / package).mkdir(parents=True, exist_ok=True)
            (root / package / "__init__.py").touch()
        (root / "training" / "__main__.py").write_text(PROGRAM + body)
        return AzureCompute(self.client, self.folders, root, timeout)

    def registry(self, name: str) -> AzureRegistry:
        """A registry whose champion pointers are its own."""
        champions = Champions(Texts(clients.container(self.settings), f"champions/{name}"))
        return AzureRegistry(self.client, self.folders, champions)

    def lose_record(self, image: Image) -> None:
        """Take away what the storage says of an image that was built."""
        self.storage.move(self.storage.stat(f"images/diabetes/{image.digest}.json"), f"lost/{image.digest}")

    def with_settings(self, **changed: object) -> Workspace:
        """The same with other settings."""
        return replace(self, client=MachineLearning(self.settings.model_copy(update=changed)))

    @property
    def settings(self) -> AzureSettings:
        return self.client.settings

    @property
    def folders(self) -> Folders:
        return Folders(self.storage, self.folder / "cache")
