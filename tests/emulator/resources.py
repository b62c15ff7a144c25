"""The resources of Azure Resource Manager, by id, and what is special about some of their types.

An id's case does not matter. A resource's type stands behind the last `/providers/` of its id; what stands before it
is its scope: a subscription, a resource group or, for an extension like a role assignment, another resource.
"""

from __future__ import annotations

import copy
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from tests.emulator.http import CloudError, now

Resource = dict[str, Any]


@dataclass(frozen=True)
class ResourceId:
    """An id in its parts: `segments` are namespace, type, name, type, …; a collection's last name is missing."""

    text: str
    scope: str
    segments: tuple[str, ...]

    @classmethod
    def parse(cls, path: str) -> Self:
        text = "/" + path.strip("/")
        at = text.lower().rfind("/providers/")
        if at >= 0:
            return cls(text, text[:at], tuple(text[at:].split("/")[2:]))
        parts = text.split("/")[1:]
        kind = "resourceGroups" if len(parts) > 2 else "subscriptions"
        return cls(text, "/".join(["", *parts[:2]]), ("Microsoft.Resources", kind, *parts[3:]))

    @property
    def type(self) -> str:
        namespace, *rest = self.segments
        return "/".join([namespace, *rest[::2]])

    @property
    def name(self) -> str:
        return self.segments[-1]

    @property
    def is_collection(self) -> bool:
        return len(self.segments) % 2 == 0

    @property
    def resource_group(self) -> str | None:
        parts = self.text.split("/")
        return parts[4] if len(parts) > 4 and parts[3].lower() == "resourcegroups" else None

    @property
    def parent(self) -> str | None:
        """The id of the resource that this one is nested in; None on the first level."""
        return self.text.rsplit("/", 2)[0] if len(self.segments) > 3 else None


def _nothing(*_: Resource | None) -> None:
    pass


@dataclass(frozen=True)
class ResourceType:
    """What a type does beyond being stored.

    `check` sees the new document and the old one before anything is stored; it may fill in defaults or raise.
    `put` and `delete` are the work that follows. If `long_running`, they go on in an operation while the state is
    `Creating`, `Updating` or `Deleting`; else they are over before the answer.
    """

    name: str
    check: Callable[[Resource, Resource | None], None] = _nothing
    put: Callable[[Resource], None] = _nothing
    delete: Callable[[Resource], None] = _nothing
    long_running: bool = False


@dataclass(frozen=True)
class Entry:
    """A stored document and its etag, which changes whenever the document does."""

    document: Resource
    etag: str


class ResourceStore:
    """Every resource; what goes in and comes out are copies."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._types: dict[str, ResourceType] = {}
        self._lock = threading.RLock()

    def register(self, kind: ResourceType) -> None:
        self._types[kind.name.lower()] = kind

    def type_of(self, path: str) -> ResourceType:
        name = ResourceId.parse(path).type
        return self._types.get(name.lower(), ResourceType(name))

    def find(self, path: str) -> Entry | None:
        """The resource, or None."""
        with self._lock:
            found = self._entries.get(_key(path))
            return found and Entry(copy.deepcopy(found.document), found.etag)

    def get(self, path: str) -> Entry:
        """The resource; raises the 404 that Azure gives."""
        self.require_group(path)
        found = self.find(path)
        if found is None:
            raise missing(path)
        return found

    def ids(self) -> list[str]:
        """The id of every resource, oldest first."""
        with self._lock:
            return [entry.document["id"] for entry in self._entries.values()]

    def everything(self) -> list[Resource]:
        """Every resource, oldest first."""
        with self._lock:
            return [copy.deepcopy(entry.document) for entry in self._entries.values()]

    def children(self, collection: str) -> list[Resource]:
        """Every resource of a collection, oldest first; a subscription's collection holds those of all its groups."""
        with self._lock:
            documents = [entry.document for entry in self._entries.values()]
            return [copy.deepcopy(each) for each in documents if _belongs(ResourceId.parse(each["id"]), collection)]

    def put(self, path: str, body: Resource, headers: Mapping[str, str] | None = None) -> tuple[Entry, bool]:
        """Create or replace; True if created. Raises 404 for a missing group or parent, 409 or 412 as Azure does."""
        with self._lock:
            self.require_group(path)
            self._require_parent(path)
            old = self._entries.get(_key(path))
            require(headers or {}, old)
            document = _document(path, body, old.document if old else None)
            self.type_of(path).check(document, old.document if old else None)
            return self._store(document), old is None

    def change(self, path: str, change: Callable[[Resource], None]) -> Entry:
        """Let `change` edit the stored document in one step; raises the 404 that Azure gives."""
        with self._lock:
            document = self.get(path).document
            change(document)
            return self._store(document)

    def remove(self, path: str, headers: Mapping[str, str] | None = None) -> list[Resource]:
        """Take a resource and all that is below it out; returns them, the deepest first, or nothing."""
        with self._lock:
            require(headers or {}, self._entries.get(_key(path)))
            keys = [key for key in self._entries if key == _key(path) or key.startswith(f"{_key(path)}/")]
            return [self._entries.pop(key).document for key in sorted(keys, key=len, reverse=True)]

    def require_group(self, path: str) -> None:
        group = ResourceId.parse(path).resource_group
        scope = "/".join(path.split("/")[:5])
        if group and _key(scope) != _key(path) and _key(scope) not in self._entries:
            raise CloudError(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")

    def _require_parent(self, path: str) -> None:
        parent = ResourceId.parse(path).parent
        if parent and _key(parent) not in self._entries:
            kind = ResourceId.parse(path).type
            raise CloudError(
                404,
                "ParentResourceNotFound",
                f"Failed to perform 'write' on resource(s) of type '{kind}', because the parent resource "
                f"'{parent}' could not be found.",
            )

    def _store(self, document: Resource) -> Entry:
        entry = Entry(copy.deepcopy(document), f'"{uuid.uuid4()}"')
        self._entries[_key(document["id"])] = entry
        return Entry(copy.deepcopy(document), entry.etag)


def merge(target: Resource, patch: Resource) -> None:
    """JSON merge patch (RFC 7396), in place."""
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, dict) and isinstance(target.get(name), dict):
            merge(target[name], value)
        else:
            target[name] = value


def missing(path: str) -> CloudError:
    made = ResourceId.parse(path)
    if made.type == "Microsoft.Resources/resourceGroups":
        return CloudError(404, "ResourceGroupNotFound", f"Resource group '{made.name}' could not be found.")
    names = "/".join([made.type, *made.segments[2::2]])
    return CloudError(
        404,
        "ResourceNotFound",
        f"The Resource '{names}' under resource group '{made.resource_group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def require(headers: Mapping[str, str], old: Entry | None) -> None:
    """Raise 412 unless the conditions of the request hold."""
    expected, unwanted = headers.get("if-match"), headers.get("if-none-match")
    fits = expected is None or (old is not None and expected in ("*", old.etag))
    if not fits or (unwanted == "*" and old is not None):
        raise CloudError(412, "PreconditionFailed", "The condition specified using HTTP headers is not met.")


def _document(path: str, body: Resource, old: Resource | None) -> Resource:
    made = ResourceId.parse(path)
    seen = now()
    history = (old or {}).get("systemData") or {"createdAt": seen, "createdBy": "ridgeline", "createdByType": "User"}
    document = copy.deepcopy(body)
    document.pop("etag", None)
    document |= {"id": made.text, "name": made.name, "type": made.type}
    document["systemData"] = {**history, "lastModifiedAt": seen}
    document.setdefault("properties", {})
    document["properties"].setdefault("provisioningState", "Succeeded")
    return document


def _belongs(made: ResourceId, collection: str) -> bool:
    """Whether a resource is in a collection, which may be a resource group's or a subscription's."""
    where = ResourceId.parse(collection)
    if made.type.lower() != where.type.lower():
        return False
    if len(where.segments) > 2:
        return _key(made.text).rsplit("/", 1)[0] == _key(collection)
    return made.scope.lower() == where.scope.lower() or (
        where.resource_group is None and made.scope.lower().startswith(f"{where.scope.lower()}/")
    )


def _key(path: str) -> str:
    return "/" + path.strip("/").lower()
