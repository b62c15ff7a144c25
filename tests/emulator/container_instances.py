"""Container Instances: groups that really serve, on an address of their own that stands in for their DNS name.

The first answer to a PUT is 201 (200 for a group that exists) in state `Pending`, and so is the operation until the
containers run. Secure values are taken but never shown.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Final

from starlette.responses import Response
from starlette.routing import BaseRoute

from tests.emulator.container_groups import Group, Groups
from tests.emulator.http import METHODS, Call, CloudError, answer, route
from tests.emulator.images import ImageStore
from tests.emulator.operations import Operation
from tests.emulator.resources import Resource, missing
from tests.emulator.world import World

PROVIDER: Final = "/providers/Microsoft.ContainerInstance"
GROUP: Final = f"/subscriptions/{{s}}/resourceGroups/{{g}}{PROVIDER}/containerGroups/{{name}}"
SECURE: Final = ("password", "storageAccountKey", "secureValue")


def routes(world: World) -> list[BaseRoute]:
    made = ContainerInstances(world)
    operation = f"/subscriptions/{{s}}{PROVIDER}/locations/{{location}}/operations/{{name}}"
    return [
        route(operation, made.status),
        route(f"{GROUP}/containers/{{container}}/logs", made.logs),
        route(f"{GROUP}/{{action}}", made.act, ["POST"]),
        route(GROUP, made.handle, METHODS),
    ]


class ContainerInstances:
    """The resource provider."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._groups = world.part(Groups)

    def handle(self, call: Call) -> Response:
        actions = {"PUT": self._put, "GET": self._get, "PATCH": self._patch, "DELETE": self._delete}
        if call.method not in actions:
            raise CloudError(405, "MethodNotAllowed", f"{call.method} is not allowed here.")
        return actions[call.method](call)

    def status(self, call: Call) -> Response:
        operation = self._world.operations.get(call.parameters["name"])
        document = operation.document()
        running = document["status"] == "InProgress"
        shown = {"id": call.path, **document, "properties": {"events": []}}
        return answer(shown | ({"status": "Pending"} if running else {}), headers={"Retry-After": "0"})

    def logs(self, call: Call) -> Response:
        path, name = call.path.split("/containers/")[0], call.parameters["container"]
        declared = self._world.resources.get(path).document["properties"]["containers"]
        if name not in [container["name"] for container in declared]:
            raise CloudError(404, "ContainerNotFound", f"The container '{name}' is not found in the container group.")
        group = self._groups.find(path)
        container = group.containers.get(name) if group else None
        if container is None:
            raise CloudError(404, "ContainerLogNotAvailable", f"The log of container '{name}' is not available yet.")
        tail = call.query.get("tail")
        return answer({"content": container.logs(int(tail) if tail else None)})

    def act(self, call: Call) -> Response:
        path, _, action = call.path.rpartition("/")
        group = self._group(path)
        match action.lower():
            case "stop":
                self._groups.stop(group)
                return Response(status_code=204)
            case "start":
                operation = self._world.operations.start(lambda: self._groups.start(group))
                return Response(status_code=202, headers=self._headers(call, operation))
        raise CloudError(404, "InvalidResourceType", f"The emulator does not model the action '{action}'.")

    def _put(self, call: Call) -> Response:
        self._check_images(call)
        secret: Resource = copy.deepcopy(call.body)
        document = without_secure(call.body)
        address = self._groups.address_of(call.path)
        complete(document, address)
        entry, created = self._world.resources.put(call.path, document, call.headers)
        operation = self._world.operations.start(lambda: self._run(call.path, secret, address))
        shown = entry.document["properties"] | {
            "provisioningState": "Pending",
            "instanceView": {"events": [], "state": "Pending"},
        }
        headers = self._headers(call, operation)
        return answer(entry.document | {"properties": shown}, 201 if created else 200, headers)

    def _run(self, path: str, secret: Resource, address: str) -> None:
        if self._world.resources.find(path) is None:
            return  # It was deleted before its operation began.
        group = Group(path, secret["properties"], address)
        self._groups.replace(group)
        self._change_state(path, "Succeeded")

    def _change_state(self, path: str, state: str) -> None:
        self._world.resources.change(path, lambda found: found["properties"].update(provisioningState=state))

    def _get(self, call: Call) -> Response:
        document = self._world.resources.get(call.path).document
        found = self._groups.find(call.path)
        view: dict[str, Any] = {"events": [], "state": found.state if found else "Pending"}
        document["properties"]["instanceView"] = view
        for container in document["properties"]["containers"] if found else ():
            container["properties"]["instanceView"] = found.view(container["name"]) if found else {}
        return answer(document)

    def _patch(self, call: Call) -> Response:
        tags = call.body.get("tags", {})
        self._world.resources.change(call.path, lambda found: found.update(tags=tags))
        return self._get(call)

    def _delete(self, call: Call) -> Response:
        entry = self._world.resources.find(call.path)
        if entry is None:
            return Response(status_code=204)
        self._world.resources.remove(call.path, call.headers)
        group = self._groups.find(call.path)
        operation = self._world.operations.start(lambda: self._groups.remove(group) if group else None)
        return answer(entry.document, 200 if operation.finished.is_set() else 202, self._headers(call, operation))

    def _group(self, path: str) -> Group:
        found = self._groups.find(path)
        if found is None:
            raise missing(path)
        return found

    def _check_images(self, call: Call) -> None:
        images = self._world.part(ImageStore)
        for container in call.body["properties"]["containers"]:
            image = container["properties"]["image"]
            if images.locate(image) is None:
                group = call.parameters["name"]
                message = f"The image '{image}' in container group '{group}' is not accessible."
                reason = f"{message} Please check the image and registry credential."
                raise CloudError(400, "InaccessibleImage", reason)

    def _headers(self, call: Call, operation: Operation) -> dict[str, str]:
        subscription = call.path.split("/")[2]
        where = f"/subscriptions/{subscription}{PROVIDER}/locations/westeurope/operations/{operation.name}"
        url = f"{self._world.base_url}{where}?api-version=2018-06-01"
        return {"Azure-AsyncOperation": url, "Retry-After": "0"}


def complete(document: Resource, address: str) -> None:
    """What Azure adds to a group; its DNS name is its address here."""
    properties = document["properties"]
    properties.setdefault("sku", "Standard")
    properties.setdefault("initContainers", [])
    properties["provisioningState"] = "Pending"
    if "ipAddress" in properties:
        properties["ipAddress"] |= {"ip": address}
        if "dnsNameLabel" in properties["ipAddress"]:
            properties["ipAddress"]["fqdn"] = address
    for container in properties["containers"]:
        for name in ("ports", "environmentVariables"):
            container["properties"].setdefault(name, [])


def without_secure(body: Resource) -> Resource:
    """A copy in which secure values are missing; of a secret volume only the names of its files are left."""
    shown = copy.deepcopy(body)
    for node in mappings(shown):
        for name in SECURE:
            node.pop(name, None)
        if isinstance(node.get("secret"), dict):
            node["secret"] = dict.fromkeys(node["secret"])
    return shown


def mappings(node: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any JSON
    """Every mapping in a document."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict):
        yield node
    for child in list(children):
        yield from mappings(child)
