"""Azure Resource Manager: any resource can be put, read, listed, patched and deleted; types add what is theirs."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response
from starlette.routing import BaseRoute

from tests.emulator.http import METHODS, Call, CloudError, answer, route
from tests.emulator.operations import Operation
from tests.emulator.resources import Entry, Resource, ResourceId, ResourceType, merge, missing
from tests.emulator.world import World

OPERATION = "/subscriptions/{subscription}/providers/{namespace}/locations/{location}/operations/{name}"
BUSY = ("Creating", "Updating", "Deleting")


def routes(world: World) -> list[BaseRoute]:
    arm = Arm(world)
    return [
        route("/subscriptions/{subscription}", arm.subscription),
        route(OPERATION, arm.status),
        route("/subscriptions/{subscription}/{rest:path}", arm.handle, METHODS),
    ]


def seed(world: World) -> None:
    """The resource group that `provision` would make."""
    world.resources.put(world.group_id, {"location": "westeurope"})


class Arm:
    """The generic resource provider."""

    def __init__(self, world: World) -> None:
        self._world = world

    def subscription(self, call: Call) -> Response:
        subscription = call.parameters["subscription"]
        document = {"subscriptionId": subscription, "state": "Enabled", "displayName": "Offline"}
        return answer({"id": call.path, "tenantId": self._world.tenant, **document})

    def status(self, call: Call) -> Response:
        """Where `Azure-AsyncOperation` points to."""
        operation = self._world.operations.get(call.parameters["name"])
        return answer({"id": call.path, **operation.document()}, headers={"Retry-After": "0"})

    def handle(self, call: Call) -> Response:
        if "api-version" not in call.query:
            message = "The api-version query parameter (?api-version=) is required for all requests."
            raise CloudError(400, "MissingApiVersionParameter", message)
        self._require_token(call)
        match call.method:
            case "PUT":
                return self._put(call)
            case "PATCH":
                return self._patch(call)
            case "DELETE":
                return self._delete(call)
            case "GET":
                return self._get(call)
            case "HEAD":
                return Response(status_code=204 if self._world.resources.find(call.path) else 404)
        action = call.path.rsplit("/", 1)[1]
        raise CloudError(404, "InvalidResourceType", f"The emulator does not model the action '{action}'.")

    def _get(self, call: Call) -> Response:
        if ResourceId.parse(call.path).is_collection:
            self._world.resources.require_group(call.path)
            return answer({"value": self._world.resources.children(call.path)})
        return _shown(self._world.resources.get(call.path))

    def _put(self, call: Call) -> Response:
        resources = self._world.resources
        kind = resources.type_of(call.path)
        self._require_idle(call.path)
        entry, created = resources.put(call.path, call.body, call.headers)
        return self._work(kind, kind.put, entry, 201 if created else 200, "Creating" if created else "Updating")

    def _patch(self, call: Call) -> Response:
        kind = self._world.resources.type_of(call.path)
        self._require_idle(call.path)
        entry = self._world.resources.change(call.path, lambda document: merge(document, call.body))
        return self._work(kind, kind.put, entry, 200, "Updating")

    def _delete(self, call: Call) -> Response:
        resources = self._world.resources
        is_group = ResourceId.parse(call.path).type == "Microsoft.Resources/resourceGroups"
        if resources.find(call.path) is None:
            if is_group:
                raise missing(call.path)
            return Response(status_code=204)
        kind = resources.type_of(call.path)
        if not (kind.long_running or is_group):
            self._take_away(call)
            return Response(status_code=200)
        resources.change(call.path, _in_state("Deleting"))
        operation = self._world.operations.start(lambda: self._take_away(call))
        return Response(status_code=202, headers=self.operation_headers(call.path, operation))

    def _take_away(self, call: Call) -> None:
        for document in self._world.resources.remove(call.path, call.headers):
            self._world.resources.type_of(document["id"]).delete(document)

    def _work(
        self, kind: ResourceType, work: Callable[[Resource], None], entry: Entry, status: int, state: str
    ) -> Response:
        """Do what follows a write, at once or in an operation, and answer as Azure does in either case."""
        path = entry.document["id"]
        if not kind.long_running:
            work(entry.document)
            return _shown(self._world.resources.find(path) or entry, status)
        entry = self._world.resources.change(path, _in_state(state))
        operation = self._world.operations.start(lambda: self._finish(work, entry.document))
        return _shown(entry, status, self.operation_headers(path, operation))

    def _finish(self, work: Callable[[Resource], None], document: Resource) -> None:
        state = "Failed"
        try:
            work(document)
            state = "Succeeded"
        finally:
            if self._world.resources.find(document["id"]):
                self._world.resources.change(document["id"], _in_state(state))

    def operation_headers(self, path: str, operation: Operation) -> dict[str, str]:
        """The headers that name a running operation."""
        made = ResourceId.parse(path)
        subscription = path.split("/")[2]
        url = (
            f"{self._world.base_url}/subscriptions/{subscription}/providers/{made.segments[0]}/locations/westeurope"
            f"/operations/{operation.name}?api-version=2024-01-01"
        )
        return {"Azure-AsyncOperation": url, "Retry-After": "0"}

    def _require_idle(self, path: str) -> None:
        found = self._world.resources.find(path)
        if found and found.document["properties"].get("provisioningState") in BUSY:
            message = "Another operation on this resource is in progress. Please retry later."
            raise CloudError(409, "AnotherOperationInProgress", message)

    def _require_token(self, call: Call) -> None:
        if not call.headers.get("authorization", "").startswith("Bearer "):
            message = "Authentication failed. The 'Authorization' header is missing."
            raise CloudError(401, "AuthenticationFailed", message)


def _shown(entry: Entry, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return answer(entry.document, status, {"ETag": entry.etag, **(headers or {})})


def _in_state(state: str) -> Callable[[Resource], None]:
    def change(document: Resource) -> None:
        document["properties"]["provisioningState"] = state

    return change
