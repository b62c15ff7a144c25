"""A supervisor of endpoints in this process, with images that run in the tests' own environment."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platforms.local.endpoints import LocalEndpoints
from platforms.local.replicas import ReplicaSets
from platforms.local.secrets import FileSecrets
from platforms.settings import Settings
from platforms.values import EndpointSpec, EndpointStatus, Environment, Image
from tests.scoring_service.contexts import COEFFICIENTS, make_context
from tests.waiting import wait_for

BODY = json.dumps({"data": [[0.0] * len(COEFFICIENTS)]}).encode()


class Bench:
    """Endpoints and images of one state folder. An image's intercept is what its model predicts for zeros."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self.secrets = FileSecrets(settings.state_dir / "secrets")
        self.endpoints = LocalEndpoints(settings, self.secrets)
        self.sets = ReplicaSets(settings, self.locate)

    def locate(self, name: str) -> tuple[Path, Path]:
        return self.folder / name, Path(sys.executable)

    def spec(self, version: int, environment: Environment = "prod", recipe: str = "diabetes") -> EndpointSpec:
        """The spec of an image that predicts its version."""
        name = f"{recipe}-{version}"
        if not (self.folder / name).exists():
            make_context(self.folder / name, recipe=recipe, intercept=float(version))
        return EndpointSpec(recipe, environment, Image(name, f"digest-{version}"), version)

    def broken(self, version: int) -> EndpointSpec:
        """The spec of an image whose model was changed."""
        spec = self.spec(version)
        (self.folder / spec.image.name / "model" / "weights.json").write_text("{}")
        return spec

    def log(self, replica: str) -> str:
        """What a replica and its supervisor have written."""
        return (self.settings.state_dir / "logs" / "services" / f"{replica}.log").read_text()

    def request(self, status: EndpointStatus) -> urllib.request.Request:
        key = self.secrets.get(status.key_secret).split()[1]
        return urllib.request.Request(f"{status.url}/score", BODY, {"authorization": f"Bearer {key}"})

    def predict(self, status: EndpointStatus) -> float:
        with urllib.request.urlopen(self.request(status), timeout=5) as answer:
            prediction: float = json.load(answer)["result"][0]
            return prediction

    @contextmanager
    def supervised(self) -> Iterator[None]:
        """Run the supervisor's side in a thread."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        run = asyncio.run_coroutine_threadsafe(self._run(), loop)
        try:
            wait_for(self.endpoints._files.supervised)
            yield
        finally:
            loop.call_soon_threadsafe(self._task.cancel)
            run.result(20)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(5)
            loop.close()

    async def _run(self) -> None:
        self._task = asyncio.create_task(self.sets.run())
        await asyncio.gather(self._task, return_exceptions=True)
