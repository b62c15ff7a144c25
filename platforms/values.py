"""What crosses the ports: frozen dataclasses and plain types that are the same on every platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Self

Environment = Literal["qa", "prod"]
Parameter = bool | int | float | str
Value = bool | int | float | str | None
"""One field of a scored row; None is a missing one."""


@dataclass(frozen=True)
class Blob:
    """One stored object. `path` is relative to the storage root; `etag` changes whenever the content does."""

    path: str
    size: int
    etag: str


@dataclass(frozen=True)
class DatasetVersion:
    """A version of a recipe's table. Equal fingerprints mean equal rows, in whatever order or files they are."""

    recipe: str
    version: int
    rows: int
    fingerprint: str


@dataclass(frozen=True)
class TrainingJob:
    """One training run on the compute, pinned to a dataset version. `name` is its identity: run twice, done once.

    `tags` are what people find it by where it runs; `code` is what it runs with, which the job notes in its result.
    """

    name: str
    recipe: str
    dataset_version: int
    parameters: Mapping[str, Parameter]
    tags: Mapping[str, str] = field(default_factory=dict, compare=False)
    code: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class ModelVersion:
    """A registered model. `version` counts from 1 in each recipe; `tags` carry its lineage."""

    recipe: str
    version: int
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Image:
    """A scoring image. `digest` is the sha256 of its build context; `name` is `<recipe>:<version>-<digest12>`."""

    name: str
    digest: str

    @property
    def repository(self) -> str:
        """The name without its tag: the recipe's."""
        return self.name.partition(":")[0]

    @property
    def reference(self) -> str:
        """Name and full digest in one string, as the journal keeps it; `parse` gives the image back."""
        return f"{self.name}@sha256:{self.digest}"

    @classmethod
    def parse(cls, reference: str) -> Self:
        """The image of a reference; raises `ValueError` if it is none."""
        name, marker, digest = reference.partition("@sha256:")
        if not (name and marker and digest):
            raise ValueError(f"{reference!r} is no image reference: expected <name>@sha256:<digest>")
        return cls(name, digest)


@dataclass(frozen=True)
class EndpointSpec:
    """What an endpoint shall serve. The number of replicas is the platform's own setting."""

    recipe: str
    environment: Environment
    image: Image
    model_version: int

    def __str__(self) -> str:
        """The endpoint, as messages name it."""
        return f"{self.environment} endpoint of {self.recipe}"


@dataclass(frozen=True)
class EndpointStatus:
    """What an endpoint serves."""

    recipe: str
    environment: Environment
    url: str
    model_version: int
    image: Image
    ready: bool

    @classmethod
    def of(cls, spec: EndpointSpec, url: str, *, ready: bool) -> Self:
        """The status of an endpoint that serves the spec."""
        return cls(spec.recipe, spec.environment, url, spec.model_version, spec.image, ready)

    def serves(self, spec: EndpointSpec) -> bool:
        """Whether the endpoint is ready with the image of the spec."""
        return self.ready and self.image == spec.image

    @property
    def key_secret(self) -> str:
        """The name under which `Secrets` holds its API keys."""
        return key_secret(self.recipe, self.environment)


def key_secret(recipe: str, environment: Environment) -> str:
    """The name under which `Secrets` holds the API keys of an endpoint, also of one that serves nothing."""
    return f"scoring-{recipe}-{environment}"


@dataclass(frozen=True)
class ScoredRequest:
    """One answered request, as the scoring service logged it before it answered. `latency` is in seconds."""

    request_id: str
    time: datetime
    environment: Environment
    model: str
    version: int
    image: str
    inputs: Sequence[Mapping[str, Value]]
    outputs: Sequence[float]
    latency: float
    key_id: str


@dataclass(frozen=True)
class JournalEntry:
    """One decision. `environment` is None for the gate's own, `image` is an `Image.reference`.

    `previous` is the hash of the entry before it.
    """

    sequence: int
    time: datetime
    recipe: str
    action: str
    model_version: int | None
    environment: Environment | None
    image: str | None
    reason: str
    flow_run: str
    details: Mapping[str, object]
    previous: str
    hash: str


@dataclass(frozen=True)
class Change:
    """What lies between a piece of infrastructure as it shall be and as it is. `resource` is its type and name."""

    resource: str
    action: Literal["create", "update", "same"]
    detail: str = ""
