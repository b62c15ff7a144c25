"""What tests of endpoints need: images that predict their version, and clients that ask for predictions."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import httpx

from platforms.azure.settings import AzureSettings
from platforms.local.secrets import FileSecrets
from platforms.values import EndpointSpec, EndpointStatus, Environment, Image
from tests.emulator.images import ImageStore
from tests.emulator.world import World
from tests.scoring_service.contexts import NAMES, SERVICE, make_context
from tests.waiting import wait_for

BODY = json.dumps({"data": [[0.0] * len(NAMES)]}).encode()
REGISTRY = "ridgeline"
SHIPPER = """
import json, os, pathlib, signal, time
folder = pathlib.Path(os.environ["SHIPPER_LOG_DIR"])
def look(name):
    seen = {"files": sorted(found.name for found in folder.glob("requests-*")), "environment": dict(os.environ)}
    (folder.parent / name).write_text(json.dumps(seen))
def end(*_):
    look("end.json")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
look("start.json")
while True:
    time.sleep(60)
"""


class Bench:
    """A recipe of the test's own on the shared emulator."""

    def __init__(self, world: World, settings: AzureSettings, folder: Path, recipe: str) -> None:
        self.world = world
        self.settings = settings
        self.recipe = recipe
        self.secrets = FileSecrets(folder / "secrets")
        self._folder = folder

    def locate(self, image: Image) -> str:
        """The registry's name of an image; its OCI digest is another one than the context's."""
        digest = hashlib.sha256(image.digest.encode()).hexdigest()
        return f"{REGISTRY}.azurecr.io/{self.recipe}@sha256:{digest}"

    def spec(self, version: int, environment: Environment = "prod") -> EndpointSpec:
        """The spec of an image that predicts its version."""
        context = self._folder / str(version)
        image = Image(f"{self.recipe}:{version}", hashlib.sha256(f"{self.recipe}{version}".encode()).hexdigest())
        if not context.exists():
            make_context(context, recipe=self.recipe, intercept=float(version))
            # Compiled once for all contexts: else every first start of an image compiles the service anew.
            shutil.rmtree(context / "scoring_service")
            (context / "scoring_service").symlink_to(SERVICE)
            digest = self.locate(image).partition("@")[2]
            self.world.part(ImageStore).add(REGISTRY, image.name, digest, context)
        return EndpointSpec(self.recipe, environment, image, version)

    def with_shipper(self, version: int, environment: Environment = "prod") -> EndpointSpec:
        """The spec of an image whose shipper writes down what it sees, at its start and at its end."""
        spec = self.spec(version, environment)
        module = self._folder / str(version) / "log_shipper"
        module.mkdir()
        (module / "__init__.py").touch()
        (module / "__main__.py").write_text(SHIPPER)
        return spec

    def broken(self, version: int, environment: Environment = "prod") -> EndpointSpec:
        """The spec of an image whose service does not start: its model was changed."""
        spec = self.spec(version, environment)
        (self._folder / str(version) / "model" / "weights.json").write_text("{}")
        return spec

    def hanging(self, version: int, environment: Environment = "prod") -> EndpointSpec:
        """The spec of an image whose service starts and never answers."""
        spec = self.spec(version, environment)
        service = self._folder / str(version) / "scoring_service"
        service.unlink()
        service.mkdir()
        (service / "__init__.py").touch()
        (service / "__main__.py").write_text(
            'import time\nprint("waiting for nothing", flush=True)\ntime.sleep(600)\n'
        )
        return spec

    def missing(self, version: int, environment: Environment = "prod") -> EndpointSpec:
        """The spec of an image that the registry does not have."""
        return EndpointSpec(self.recipe, environment, Image(f"{self.recipe}:{version}", f"{version:064}"), version)

    @contextmanager
    def unreachable(self, spec: EndpointSpec, image_wanted: Callable[[], object]) -> Iterator[None]:
        """The registry does not give an image until it is wanted, then it does."""
        images = self.world.part(ImageStore)
        context = images.purge(self.locate(spec.image))

        def give() -> None:
            wait_for(image_wanted)
            images.add(REGISTRY, spec.image.name, self.locate(spec.image).partition("@")[2], context)

        with ThreadPoolExecutor(1) as pool:
            giving = pool.submit(give)
            yield
            giving.result()

    def predict(self, status: EndpointStatus) -> float:
        """One prediction over a connection of its own."""
        key = self.secrets.get(status.key_secret).split()[1]
        headers = {"authorization": f"Bearer {key}", "connection": "close"}
        request = urllib.request.Request(f"{status.url}/score", BODY, headers)
        with urllib.request.urlopen(request, timeout=5) as answer:
            prediction: float = json.load(answer)["result"][0]
            return prediction

    def answer(self, status: EndpointStatus, key: str) -> int:
        """The status of the answer to who has this key."""
        headers = {"authorization": f"Bearer {key}", "connection": "close"}
        return httpx.post(f"{status.url}/score", content=BODY, headers=headers, trust_env=False).status_code

    def exchange(self, status: EndpointStatus, keys: str) -> None:
        """Store other keys in the endpoint's secret, as a person does."""
        self.secrets._path(status.key_secret).write_text(keys)

    def forget(self) -> None:
        """Delete the contexts."""
        shutil.rmtree(self._folder, ignore_errors=True)


class Load:
    """Asks for predictions, each over a new connection, as long as the context lasts."""

    def __init__(self, bench: Bench, status: EndpointStatus) -> None:
        self.answers: list[float] = []
        self.errors: list[str] = []
        self._bench, self._status = bench, status
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Self:
        self._thread.start()
        wait_for(lambda: self.answers)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._over.wait(0.02):
            try:
                self.answers.append(self._bench.predict(self._status))
            except OSError as error:
                self.errors.append(repr(error))
