"""The Kubernetes API over HTTP, for the kinds that `KINDS` lists.

get, list, watch, create, replace, patch (server-side apply and merge), delete, `scale` of stateful sets, `log` of
pods; label selectors, and field selectors on metadata and on what an event is about.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml
from starlette.responses import JSONResponse, PlainTextResponse, Response

from tests.emulator.containers import now
from tests.emulator.http import Call
from tests.emulator.kubernetes_fields import Owner
from tests.emulator.kubernetes_store import ApiError, Key, Object, Store
from tests.emulator.resources import merge

APPLY: Final = "application/apply-patch+yaml"
LONGEST_WATCH: Final = 300.0


@dataclass(frozen=True)
class Kind:
    """A kind by its plural name."""

    name: str
    api: str
    namespaced: bool = True


KINDS: Final[Mapping[str, Kind]] = {
    "namespaces": Kind("Namespace", "v1", namespaced=False),
    "configmaps": Kind("ConfigMap", "v1"),
    "events": Kind("Event", "v1"),
    "pods": Kind("Pod", "v1"),
    "secrets": Kind("Secret", "v1"),
    "serviceaccounts": Kind("ServiceAccount", "v1"),
    "services": Kind("Service", "v1"),
    "statefulsets": Kind("StatefulSet", "apps/v1"),
    "horizontalpodautoscalers": Kind("HorizontalPodAutoscaler", "autoscaling/v2"),
    "networkpolicies": Kind("NetworkPolicy", "networking.k8s.io/v1"),
    "poddisruptionbudgets": Kind("PodDisruptionBudget", "policy/v1"),
}


class Api:
    """Answers requests below one cluster's base path. `logs` reads what a pod's container wrote."""

    def __init__(self, store: Store, logs: Callable[[str, str, str | None, int | None], str]) -> None:
        self.drop_watches_after: float | None = None
        """A fault: seconds after which every watch ends without a word."""
        self._store = store
        self._logs = logs

    async def answer(self, call: Call) -> Response | AsyncIterator[bytes]:
        """The answer to a request whose `path` begins after the cluster's base; a watch's lines come one by one."""
        try:
            if not call.headers.get("authorization", "").startswith("Bearer "):
                raise ApiError(401, "Unauthorized", "Unauthorized")
            return self._route(call)
        except ApiError as error:
            return JSONResponse(status_of(error), error.code)

    def _route(self, call: Call) -> Response | AsyncIterator[bytes]:
        if call.path == "version":
            return JSONResponse({"major": "1", "minor": "33", "gitVersion": "v1.33.0"})
        key, subresource = parse(call.path)
        if subresource:
            return self._subresource(call, key, subresource)
        if call.query.get("watch", "").lower() in ("true", "1"):
            return self._watch(call, key)
        handlers: dict[str, Callable[[Call, Key], Response]] = {
            "GET": self._read if key.name else self._list,
            "POST": self._create,
            "PUT": self._replace,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }
        return handlers[call.method](call, key)

    def _read(self, call: Call, key: Key) -> Response:
        return JSONResponse(self._store.get(key))

    def _list(self, call: Call, key: Key) -> Response:
        chosen = selection(call)
        kind = KINDS[key.resource]
        items = [item for item in self._store.all(key.resource, key.namespace) if chosen(item)]
        metadata = {"resourceVersion": str(self._store.version)}
        return JSONResponse(
            {"kind": f"{kind.name}List", "apiVersion": kind.api, "metadata": metadata, "items": items}
        )

    async def _watch(self, call: Call, key: Key) -> AsyncIterator[bytes]:
        chosen, version = selection(call), int(call.query.get("resourceVersion") or 0)
        seconds = float(call.query.get("timeoutSeconds") or LONGEST_WATCH)
        end = asyncio.get_running_loop().time() + min(seconds, self.drop_watches_after or seconds)
        if not version:
            for item in self._store.all(key.resource, key.namespace):
                if chosen(item):
                    yield line("ADDED", item)
            version = self._store.version
        while (left := end - asyncio.get_running_loop().time()) > 0:
            changed = self._store.changed
            try:
                happened = list(self._store.since(version))
            except ApiError as error:
                yield line("ERROR", status_of(error))
                return
            for change in happened:
                version = change.version
                there = change.key.resource == key.resource and key.namespace in ("", change.key.namespace)
                if there and chosen(change.object):
                    yield line(change.type, change.object)
            try:
                await asyncio.wait_for(changed.wait(), left)
            except TimeoutError:
                return

    def _create(self, call: Call, key: Key) -> Response:
        wanted = body(call)
        key = Key(key.resource, key.namespace, wanted["metadata"]["name"])
        self._require_namespace(key)
        created = self._store.create(key, wanted, call.query.get("fieldManager", "unknown"))
        return JSONResponse(created, 201)

    def _replace(self, call: Call, key: Key) -> Response:
        wanted = body(call)
        require_version(self._store.get(key), wanted)
        manager = call.query.get("fieldManager", "unknown")
        return JSONResponse(self._store.write(key, lambda live: live.update(kept(live, wanted)), manager))

    def _patch(self, call: Call, key: Key) -> Response:
        wanted, query = body(call), call.query
        if call.headers["content-type"].startswith(APPLY):
            if "fieldManager" not in query:
                raise ApiError(422, "Invalid", "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value")
            self._require_namespace(key)
            owner = Owner(query["fieldManager"], "Apply", frozenset(), now(), wanted["apiVersion"])
            applied, new = self._store.apply(key, wanted, owner, query.get("force", "").lower() == "true")
            return JSONResponse(applied, 201 if new else 200)
        require_version(self._store.get(key), wanted)
        manager = query.get("fieldManager", "unknown")
        return JSONResponse(self._store.write(key, lambda live: merge(live, wanted), manager))

    def _delete(self, call: Call, key: Key) -> Response:
        given = body(call) if call.content else {}
        seconds = call.query.get("gracePeriodSeconds", given.get("gracePeriodSeconds"))
        found = self._store.get(key)
        if found["metadata"].get("finalizers"):
            return JSONResponse(self._store.write(key, lambda live: mark_deleted(live, 0)))
        if key.resource != "pods":
            return JSONResponse(self._store.delete(key))
        grace = int(seconds) if seconds is not None else found["spec"].get("terminationGracePeriodSeconds", 30)
        return JSONResponse(self._store.write(key, lambda pod: mark_deleted(pod, grace)))

    def _subresource(self, call: Call, key: Key, subresource: str) -> Response:
        if (key.resource, subresource) == ("pods", "log"):
            self._store.get(key)
            query = call.query
            tail = int(query["tailLines"]) if "tailLines" in query else None
            return PlainTextResponse(self._logs(key.namespace, key.name, query.get("container"), tail))
        if (key.resource, subresource) != ("statefulsets", "scale"):
            raise ApiError(404, "NotFound", f"{key.resource}/{subresource} is not modelled")
        if call.method != "GET":
            replicas = (body(call))["spec"]["replicas"]
            manager = call.query.get("fieldManager", "unknown")
            self._store.write(key, lambda live: live["spec"].update(replicas=replicas), manager, "scale")
        live = self._store.get(key)
        metadata = {name: live["metadata"][name] for name in ("name", "namespace", "uid", "resourceVersion")}
        scale = {"spec": {"replicas": live["spec"]["replicas"]}, "metadata": metadata}
        status = {"status": {"replicas": live.get("status", {}).get("replicas", 0)}}
        return JSONResponse({"kind": "Scale", "apiVersion": "autoscaling/v1"} | scale | status)

    def _require_namespace(self, key: Key) -> None:
        if key.namespace and self._store.find(Key("namespaces", "", key.namespace)) is None:
            raise ApiError(404, "NotFound", f'namespaces "{key.namespace}" not found')


def parse(path: str) -> tuple[Key, str]:
    """What a path is about; raises `ApiError` 404."""
    parts = path.split("/")
    version, rest = ("/".join(parts[1:2]), parts[2:]) if parts[0] == "api" else ("/".join(parts[1:3]), parts[3:])
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = (*rest, "", "", "")[:3]
    kind = KINDS.get(resource)
    if kind is None or kind.api != version:
        raise ApiError(404, "NotFound", "the server could not find the requested resource")
    return Key(resource, namespace, name), subresource


def selection(call: Call) -> Callable[[Object], bool]:
    """A test of an object against the request's equality selectors."""
    labels, fields = call.query.get("labelSelector", ""), call.query.get("fieldSelector", "")
    wanted_labels = dict(pair.split("=", 1) for pair in labels.replace("==", "=").split(",") if pair)
    wanted_fields = dict(pair.split("=", 1) for pair in fields.split(",") if pair)

    def chosen(item: Object) -> bool:
        has = item["metadata"].get("labels") or {}
        if any(has.get(name) != value for name, value in wanted_labels.items()):
            return False
        return all(str(at(item, name)) == value for name, value in wanted_fields.items())

    return chosen


def at(item: Object, path: str) -> Any:  # noqa: ANN401 - any JSON
    """The value at a dotted path."""
    found: Any = item
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def kept(live: Object, wanted: Object) -> Object:
    """A replacement that keeps what only the server writes."""
    written = {"uid", "creationTimestamp", "generation", "resourceVersion"}
    return wanted | {"metadata": wanted["metadata"] | {name: live["metadata"][name] for name in written}}


def require_version(live: Object, wanted: Object) -> None:
    """Raise `ApiError` 409 if the writer has seen another version."""
    seen = wanted.get("metadata", {}).get("resourceVersion")
    if seen and seen != live["metadata"]["resourceVersion"]:
        message = "the object has been modified; please apply your changes to the latest version and try again"
        raise ApiError(409, "Conflict", message)


def mark_deleted(pod: Object, grace: int) -> None:
    """Let a pod end, or an object whose finalizers come first; a second deletion may only shorten its time."""
    given = pod["metadata"].get("deletionGracePeriodSeconds", grace)
    pod["metadata"].setdefault("deletionTimestamp", now())
    pod["metadata"]["deletionGracePeriodSeconds"] = min(grace, given)


def status_of(error: ApiError) -> Object:
    """The `Status` object of a failure."""
    details = {"details": {"causes": error.causes}} if error.causes else {}
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": error.message}
    return status | {"reason": error.reason, "code": error.code} | details


def line(kind: str, item: Object) -> bytes:
    """One line of a watch."""
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"


def body(call: Call) -> Object:
    """The body as an object; JSON is YAML too."""
    raw = call.content
    parsed: Object = json.loads(raw) if raw[:1] == b"{" else yaml.safe_load(raw)
    return parsed
