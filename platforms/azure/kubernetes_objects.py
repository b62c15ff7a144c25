"""Objects of one Kubernetes cluster, as plain manifests: apply, read, delete, watch."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from platforms.azure.errors import line
from platforms.azure.templates import Manifest
from platforms.errors import ConflictError, NotFoundError, PlatformError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kubernetes.client import ApiClient

MANAGER: Final = "ridgeline"
"""Who owns the fields that the templates name."""
APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"
FORBIDDEN: Final = (401, 403)
REASON_LENGTH: Final = 500
"""Letters of an answer that is no `Status` which an error shows."""
SECONDS: Final = 30.0
"""Time for one request."""
GONE_LOOK_SECONDS: Final = 1.0
"""The longest time between two looks at an object that is to go."""


@dataclass(frozen=True)
class Kind:
    """A kind of object and where the API has it."""

    name: str
    api: str
    plural: str

    def path(self, namespace: str, name: str = "") -> str:
        """The path of an object, or of the namespace's collection."""
        root = f"/api/{self.api}" if self.api == "v1" else f"/apis/{self.api}"
        middle = f"/namespaces/{quote(namespace)}" if namespace else ""
        return f"{root}{middle}/{self.plural}" + (f"/{quote(name)}" if name else "")


NAMESPACE: Final = Kind("Namespace", "v1", "namespaces")
POD: Final = Kind("Pod", "v1", "pods")
EVENT: Final = Kind("Event", "v1", "events")
SERVICE: Final = Kind("Service", "v1", "services")
SECRET: Final = Kind("Secret", "v1", "secrets")
STATEFUL_SET: Final = Kind("StatefulSet", "apps/v1", "statefulsets")
AUTOSCALER: Final = Kind("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers")
DISRUPTION_BUDGET: Final = Kind("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets")
NETWORK_POLICY: Final = Kind("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies")
KINDS: Final = {
    kind.name: kind
    for kind in (
        *(NAMESPACE, POD, EVENT, SERVICE, SECRET, STATEFUL_SET, AUTOSCALER, DISRUPTION_BUDGET, NETWORK_POLICY),
        Kind("ServiceAccount", "v1", "serviceaccounts"),
    )
}


class Objects:
    """The objects of a cluster. It is entered with the first request."""

    def __init__(self, connect: Callable[[], ApiClient], cluster: str, force: bool) -> None:
        self.cluster = cluster
        self._connect = connect
        self._force = force

    @cached_property
    def client(self) -> ApiClient:
        """The official client."""
        return self._connect()

    def apply(self, manifest: Manifest, manager: str = MANAGER) -> Manifest:
        """Server-side apply: what the manifest names is set, what an earlier one named goes, the rest stays.

        Raises `ConflictError` with the fields that somebody else has changed, unless those shall be taken over.
        """
        query = {"fieldManager": manager, "force": "true" if self._force or manager != MANAGER else "false"}
        return self._json("PATCH", path_of(manifest), query, manifest, APPLY)

    def apply_all(self, manifests: Iterable[Manifest]) -> None:
        """Apply one after the other."""
        for manifest in manifests:
            self.apply(manifest)

    def patch(self, kind: Kind, namespace: str, name: str, change: Manifest, manager: str = MANAGER) -> Manifest:
        """Merge a change into an object, whoever owns its fields."""
        return self._json("PATCH", kind.path(namespace, name), {"fieldManager": manager}, change, MERGE)

    def find(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """One object, or None."""
        try:
            return self._json("GET", kind.path(namespace, name))
        except NotFoundError:
            return None

    def list(self, kind: Kind, namespace: str, **selectors: str) -> list[Manifest]:
        """The objects that `labelSelector` and `fieldSelector` choose."""
        items: list[Manifest] = self._json("GET", kind.path(namespace), selectors)["items"]
        return items

    def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """Delete an object; one that is gone is no error."""
        with suppress(NotFoundError):
            self._json("DELETE", kind.path(namespace, name))

    def await_gone(self, kind: Kind, namespace: str, name: str, seconds: float) -> bool:
        """Whether an object that was deleted is gone in time: who has a finalizer on it may do its work first."""
        end = time.monotonic() + seconds
        while found := self.find(kind, namespace, name):
            if time.monotonic() > end:
                return False
            self.await_change(kind, found, GONE_LOOK_SECONDS)
        return True

    def logs(self, namespace: str, pod: str, container: str, lines: int) -> str:
        """The last lines of a container's log, or why there are none."""
        query = {"container": container, "tailLines": str(lines)}
        try:
            return self._send("GET", f"{POD.path(namespace, pod)}/log", query).decode(errors="replace")
        except PlatformError as error:
            return str(error)

    def await_change(self, kind: Kind, seen: Manifest, seconds: float) -> None:
        """Return as soon as an object is no longer what was seen, after some time, or when the watch breaks off."""
        from urllib3.exceptions import HTTPError

        metadata = seen["metadata"]
        query = {
            "watch": "true",
            "fieldSelector": f"metadata.name={metadata['name']}",
            "resourceVersion": metadata["resourceVersion"],
            "timeoutSeconds": str(max(round(seconds), 1)),
        }
        with suppress(HTTPError):
            answer = self._call("GET", kind.path(metadata["namespace"]), query).response
            try:
                next(iter(answer.stream(1)), None)
            finally:
                answer.close()

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content: str = APPLY,
    ) -> Manifest:
        answer: Manifest = json.loads(self._send(method, path, query or {}, body, content))
        return answer

    def _send(
        self, method: str, path: str, query: Mapping[str, str], body: object = None, content: str = APPLY
    ) -> bytes:
        from urllib3.exceptions import HTTPError

        try:
            answer = self._call(method, path, query, body, content)
            data: bytes = answer.read()
        except HTTPError as error:
            raise PlatformError(f"AKS cluster {self.cluster} does not answer {method} {path}: {error}") from error
        if not 200 <= answer.status <= 299:
            raise self._refusal(answer.status, f"{method} {path}", data)
        return data

    def _refusal(self, status: int, asked: str, data: bytes) -> PlatformError:
        """What to raise for an answer that is none."""
        reason = reason_of(data)
        if status == 404:
            return NotFoundError(f"AKS cluster {self.cluster}, {asked}: {reason}")
        if status == 409 and b"FieldManagerConflict" in data:
            return ConflictError(
                f"AKS cluster {self.cluster}, {asked}: {reason}. Undo what was changed there by hand, or set "
                "RIDGELINE_AZURE_KUBERNETES_FORCE=true to take these fields over"
            )
        step = "; see the roles in docs/azure.md" if status in FORBIDDEN else ""
        return PlatformError(f"AKS cluster {self.cluster} refuses {asked} with {status}: {reason}{step}")

    def _call(
        self, method: str, path: str, query: Mapping[str, str], body: object = None, content: str = APPLY
    ) -> Any:  # noqa: ANN401 - the client has no types
        """The answer, whatever its status; raises urllib3's `HTTPError` if there is none."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json"} | ({"Content-Type": content} if body else {})
        request = self.client.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            return self.client.call_api(*request, _request_timeout=SECONDS)
        except ApiException as error:
            # An answer, whatever its status, is returned: the client raises only what TLS raised, in its own type.
            raise HTTPError(line(str(error.reason))) from error


def path_of(manifest: Manifest) -> str:
    """Where a manifest's object is."""
    metadata = manifest["metadata"]
    return KINDS[manifest["kind"]].path(metadata.get("namespace", ""), metadata["name"])


def reason_of(data: bytes) -> str:
    """What the API says in the body of its refusal."""
    with suppress(ValueError, TypeError, KeyError):
        return str(json.loads(data)["message"])
    return data.decode(errors="replace")[:REASON_LENGTH]
