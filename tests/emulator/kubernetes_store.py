"""The objects of one cluster: versions, generations, owners of fields, and what happened since a version."""

from __future__ import annotations

import asyncio
import pickle
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from tests.emulator import kubernetes_fields as fields
from tests.emulator.containers import now
from tests.emulator.kubernetes_fields import Owner

Object = dict[str, Any]
Json = TypeVar("Json")
HISTORY: Final = 1000
"""Events that a watch can go back; one that asks for older ones is told to list again."""
IMMUTABLE: Final = ("serviceName", "selector", "podManagementPolicy", "volumeClaimTemplates")
"""What a stateful set never changes."""
CONTROLLER: Final = "kube-controller-manager"


class ApiError(Exception):
    """An answer that is a `Status` of failure."""

    def __init__(self, code: int, reason: str, message: str, causes: list[Object] | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.causes = code, reason, message, causes or []


@dataclass(frozen=True)
class Key:
    """Where an object is: plural name of its kind, namespace ("" for none), name."""

    resource: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f'{self.resource} "{self.name}"'


@dataclass(frozen=True)
class Change:
    """One event of a watch."""

    version: int
    type: str
    key: Key
    object: Object


class Store:
    """All objects. Not for several threads: everything happens in the emulator's event loop."""

    def __init__(self) -> None:
        self.version = 1
        self.changed = asyncio.Event()
        self._objects: dict[Key, Object] = {}
        self._owners: dict[Key, list[Owner]] = {}
        self._history: deque[Change] = deque(maxlen=HISTORY)

    def get(self, key: Key) -> Object:
        """A copy of one object; raises `ApiError` 404."""
        if key not in self._objects:
            raise ApiError(404, "NotFound", f"{key} not found")
        found = copied(self._objects[key])
        found["metadata"]["managedFields"] = [fields.written(owner) for owner in self._owners[key]]
        return found

    def find(self, key: Key) -> Object | None:
        """The same, None if there is no such object."""
        return self.get(key) if key in self._objects else None

    def peek(self, key: Key) -> Object | None:
        """The object itself, without the owners of its fields: only to be read."""
        return self._objects.get(key)

    def peek_all(self, resource: str, namespace: str = "") -> list[Object]:
        """The same of a kind."""
        keys = sorted((key for key in self._objects if key.resource == resource), key=str)
        return [self._objects[key] for key in keys if namespace in ("", key.namespace)]

    def all(self, resource: str, namespace: str = "") -> list[Object]:
        """Copies of all objects of a kind, in one namespace or in all."""
        keys = sorted((key for key in self._objects if key.resource == resource), key=str)
        return [self.get(key) for key in keys if namespace in ("", key.namespace)]

    def apply(self, key: Key, wanted: Object, owner: Owner, force: bool) -> tuple[Object, bool]:
        """Server-side apply; the object, and whether it is new. Raises `ApiError` 409 and 422."""
        live = self._objects.get(key)
        try:
            merged, owners = fields.apply(
                live or skeleton(wanted, key), self._owners.get(key, []), wanted, owner, force
            )
        except fields.FieldConflictError as error:
            raise conflict(key, error) from None
        merged["apiVersion"], merged["kind"] = wanted["apiVersion"], wanted["kind"]
        return self._store(key, merged, owners), live is None

    def write(
        self, key: Key, change: Callable[[Object], None], manager: str = CONTROLLER, subresource: str = ""
    ) -> Object:
        """Change an object in place; the manager owns what changed, except of the status."""
        live = self.get(key)
        after = copied(live)
        change(after)
        owner = Owner(manager, "Update", frozenset(), now(), live["apiVersion"], subresource)
        return self._store(key, after, fields.update(live, after, self._owners[key], owner))

    def create(self, key: Key, wanted: Object, manager: str = CONTROLLER) -> Object:
        """A new object; raises `ApiError` 409 if there is one."""
        if key in self._objects:
            raise ApiError(409, "AlreadyExists", f"{key} already exists")
        owner = Owner(manager, "Update", frozenset(), now(), wanted["apiVersion"])
        return self._store(key, wanted | skeleton(wanted, key), fields.update({}, wanted, [], owner))

    def delete(self, key: Key) -> Object:
        """Take an object away at once, with what it owns."""
        gone = self.get(key)
        del self._objects[key], self._owners[key]
        self.version += 1
        gone["metadata"]["resourceVersion"] = str(self.version)
        self._record("DELETED", key, gone)
        return gone

    def since(self, version: int) -> Iterator[Change]:
        """What happened after a version; raises `ApiError` 410 if that is too long ago."""
        oldest = self._history[0].version if self._history else self.version
        if len(self._history) == HISTORY and version < oldest - 1:
            raise ApiError(410, "Expired", f"too old resource version: {version} ({oldest})")
        yield from [change for change in self._history if change.version > version]

    def _store(self, key: Key, after: Object, owners: list[Owner]) -> Object:
        before = self._objects.get(key)
        after["metadata"].pop("managedFields", None)
        default(key, after)
        if before is not None:
            _validate(key, before, after)
            after["metadata"]["generation"] = before["metadata"]["generation"] + (
                before.get("spec") != after.get("spec")
            )
        self._owners[key] = owners
        if after != before:
            self.version += 1
            after["metadata"]["resourceVersion"] = str(self.version)
            self._objects[key] = after
            self._record("MODIFIED" if before else "ADDED", key, after)
        return self.get(key)

    def _record(self, kind: str, key: Key, changed: Object) -> None:
        self._history.append(Change(self.version, kind, key, copied(changed)))
        self.changed.set()
        self.changed = asyncio.Event()


def copied(value: Json) -> Json:
    """A deep copy of JSON."""
    found: Json = pickle.loads(pickle.dumps(value, -1))
    return found


def skeleton(wanted: Object, key: Key) -> Object:
    """An object that has nothing but its identity."""
    metadata = {"name": key.name, "uid": str(uuid.uuid4()), "creationTimestamp": now(), "generation": 1}
    metadata |= {"namespace": key.namespace} if key.namespace else {}
    bare = {"apiVersion": wanted["apiVersion"], "kind": wanted["kind"]}
    return bare | {"metadata": metadata | dict(wanted.get("metadata", {}))}


def default(key: Key, after: Object) -> None:
    """The defaults that somebody relies on."""
    if key.resource == "statefulsets":
        after["spec"].setdefault("replicas", 1)
    if key.resource == "secrets":
        after.setdefault("type", "Opaque")


def _validate(key: Key, before: Object, after: Object) -> None:
    if key.resource != "statefulsets":
        return
    changed = [name for name in IMMUTABLE if before["spec"].get(name) != after["spec"].get(name)]
    if changed:
        message = (
            f'StatefulSet.apps "{key.name}" is invalid: spec: Forbidden: updates to statefulset spec for fields '
            "other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
            "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
        )
        raise ApiError(422, "Invalid", message, [{"reason": "FieldValueForbidden", "field": "spec"}])


def conflict(key: Key, error: fields.FieldConflictError) -> ApiError:
    """The answer to an apply that somebody else's fields are against."""
    causes = [
        {"reason": "FieldManagerConflict", "message": f'conflict with "{manager}"', "field": path}
        for manager, path in error.fields
    ]
    listed = ", ".join(f'conflict with "{manager}": {path}' for manager, path in error.fields)
    plural = "conflict" if len(causes) == 1 else "conflicts"
    return ApiError(409, "Conflict", f"Apply failed with {len(causes)} {plural}: {listed}", causes)
