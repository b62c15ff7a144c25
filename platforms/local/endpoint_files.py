"""What endpoints shall serve and what they do serve, as files between flows and the supervisor.

`<state>/endpoints/<recipe>/<environment>.json` is written by `LocalEndpoints`, `<environment>.status.json` by the
supervisor. A generation is the identity of one wish: a status answers the wish whose generation it carries.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, TypeVar

import msgspec

from platforms import names
from platforms.errors import PlatformError
from platforms.local import files, supervisor_lock
from platforms.settings import Settings
from platforms.values import EndpointSpec, Environment

State = Literal["starting", "ready", "failed", "unstarted"]
"""`unstarted` is a wish that failed for want of a port, packages or usable settings: no verdict on its image."""
Content = TypeVar("Content")


@dataclass(frozen=True)
class Desired:
    """A wish: serve this, on this port."""

    spec: EndpointSpec
    port: int
    generation: str


@dataclass(frozen=True)
class Observed:
    """How the newest wish fares, and what serves meanwhile. `replicas` counts those that answer."""

    generation: str
    state: State
    served: EndpointSpec | None
    replicas: int
    message: str = ""


class EndpointFiles:
    """Reads and writes the files of one state folder; every write is atomic."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.state_dir / "endpoints"

    def desired(self, recipe: str, environment: Environment) -> Desired | None:
        """The newest wish."""
        return read(self.desired_file(recipe, environment), Desired)

    def observed(self, recipe: str, environment: Environment) -> Observed | None:
        """The newest status."""
        return read(self.observed_file(recipe, environment), Observed)

    def want(self, spec: EndpointSpec, port: int) -> Desired:
        """Write a new wish."""
        desired = Desired(spec, port, secrets.token_hex(8))
        write(self.desired_file(spec.recipe, spec.environment), desired)
        return desired

    def unwant(self, recipe: str, environment: Environment) -> None:
        """Take the wish back."""
        self.desired_file(recipe, environment).unlink(missing_ok=True)

    def desired_files(self) -> list[Path]:
        """The files of all wishes."""
        return sorted(self.folder.glob("*/qa.json")) + sorted(self.folder.glob("*/prod.json"))

    def observed_files(self) -> list[Path]:
        """The files of all statuses."""
        return sorted(self.folder.glob("*/*.status.json"))

    def desired_file(self, recipe: str, environment: Environment) -> Path:
        """Where a wish stands."""
        return self.folder / names.checked("recipe", recipe) / f"{environment}.json"

    def observed_file(self, recipe: str, environment: Environment) -> Path:
        """Where a status stands."""
        return self.folder / names.checked("recipe", recipe) / f"{environment}.status.json"

    def supervised(self) -> bool:
        """Whether a supervisor looks after the endpoints now."""
        with self._lock_file() as lock:
            return supervisor_lock.is_held(lock)

    @contextmanager
    def supervising(self) -> Iterator[None]:
        """Be the supervisor; raises `PlatformError` if there is one."""
        with self._lock_file() as lock:
            if not supervisor_lock.take(lock):
                raise PlatformError(f"another supervisor runs the endpoints in {self.folder}")
            yield

    def _lock_file(self) -> IO[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        return (self.folder / "supervisor.lock").open("ab")


def read(file: Path, kind: type[Content]) -> Content | None:
    """The content of a JSON file, None if there is no such file."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise PlatformError(f"{file} cannot be read ({error}): delete it and release again") from error


def write(file: Path, content: object) -> None:
    """Replace a JSON file."""
    encoded = msgspec.json.format(msgspec.json.encode(content), indent=2)
    files.write(file, lambda target: target.write(encoded))
