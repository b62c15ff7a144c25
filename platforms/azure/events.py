"""Event Grid's messages in a storage queue: base64 around the JSON of one event.

Two are understood: a blob was written, a model was registered. Whatever else arrives was sent by mistake.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, Final

from platforms.values import ModelVersion

BLOB_CREATED: Final = "Microsoft.Storage.BlobCreated"
MODEL_REGISTERED: Final = "Microsoft.MachineLearningServices.ModelRegistered"


class UnreadableError(ValueError):
    """A message that no later try will understand; the text says why."""


@dataclass(frozen=True)
class Written:
    """A blob was written at `path` of a container. What it is by now, the storage knows."""

    container: str
    path: str


def read(message: str) -> Written | ModelVersion:
    """What a message tells; raises `UnreadableError`."""
    try:
        event = json.loads(base64.b64decode(message, validate=True))
    except ValueError as error:
        raise UnreadableError(f"no base64 of JSON: {error}") from error
    try:
        kind, subject, data = event["eventType"], event["subject"], event["data"]
        if kind == BLOB_CREATED:
            return _written(subject)
        if kind == MODEL_REGISTERED:
            return _registered(data)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnreadableError(f"no event of Event Grid's own schema: {error!r}") from error
    raise UnreadableError(f"events of type {kind!r} start nothing")


def _written(subject: str) -> Written:
    _, marker, rest = subject.partition("/containers/")
    container, inner, path = rest.partition("/blobs/")
    if not (marker and inner and path):
        raise ValueError(f"{subject!r} names no blob")
    return Written(container, path)


def _registered(data: dict[str, Any]) -> ModelVersion:
    """The model; Microsoft's examples begin its fields with capitals, its schema does not."""
    found = {key.lower(): value for key, value in data.items()}
    return ModelVersion(found["modelname"], int(found["modelversion"]), found.get("modeltags") or {})
