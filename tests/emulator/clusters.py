"""AKS: managed clusters whose credentials lead to a Kubernetes API of their own, below `/clusters/<name>`."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from tests.emulator.http import METHODS, Call, CloudError, answer, route
from tests.emulator.images import ImageStore
from tests.emulator.kubernetes_api import Api
from tests.emulator.kubernetes_controllers import control
from tests.emulator.kubernetes_node import Node
from tests.emulator.kubernetes_services import Services
from tests.emulator.kubernetes_store import Key, Store
from tests.emulator.runtime import Runtime
from tests.emulator.world import World

CLUSTER: Final = "/subscriptions/{s}/resourceGroups/{g}/providers/Microsoft.ContainerService/managedClusters/{name}"
AKS_SERVER: Final = "6dae42f8-4368-4678-94ff-3960e28e3630"
"""The application that tokens for an AKS API server are made for; the same in every tenant."""


class Cluster:
    """One cluster: objects, API, controllers, node and Services."""

    def __init__(self, world: World, runtime: Runtime, name: str) -> None:
        images = world.part(ImageStore)
        self.store = Store()
        self.node = Node(self.store, runtime.folder / name, images.locate, runtime)
        self.services = Services(self.store, runtime.addresses)
        self.api = Api(self.store, self.node.logs)
        for namespace in ("default", "kube-system"):
            wanted = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            self.store.create(Key("namespaces", "", namespace), wanted)
        for work in (control(self.store), self.node.run(), self.services.run()):
            runtime.keep(work)


class Clusters:
    """The part of the world that holds every cluster by name; one begins to live when it is first used."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.runtime = world.part(Runtime)
        self._known: dict[str, Cluster] = {}

    def get(self, name: str) -> Cluster:
        """A cluster, from any thread but the runtime's."""
        return self.runtime.do(self.find(name))

    async def find(self, name: str) -> Cluster:
        """A cluster, within the runtime."""
        if name not in self._known:
            self._known[name] = Cluster(self._world, self.runtime, name)
        return self._known[name]

    async def answer(self, name: str, call: Call) -> Response | AsyncIterator[bytes]:
        """What a cluster's API answers."""
        cluster = await self.find(name)
        return await cluster.api.answer(call)


def routes(world: World) -> list[BaseRoute]:
    clusters = world.part(Clusters)

    async def kubernetes(request: Request) -> Response:
        path = request.path_params["path"].strip("/")
        content = await request.body()
        call = Call(request.method, path, {}, request.query_params, request.headers, content)
        found = await clusters.runtime.ask(clusters.answer(request.path_params["name"], call))
        if isinstance(found, Response):
            return found
        return StreamingResponse(clusters.runtime.each(found), media_type="application/json;stream=watch")

    credentials = [
        route(f"{CLUSTER}/listCluster{who}Credential", lambda call: _credential(world, call), ["POST"])
        for who in ("User", "Admin")
    ]
    return [*credentials, Route("/clusters/{name}/{path:path}", kubernetes, methods=list(METHODS))]


def _credential(world: World, call: Call) -> Response:
    cluster = call.path.rsplit("/", 1)[0]
    found = world.resources.get(cluster).document
    admin = call.path.lower().endswith("listclusteradmincredential")
    if admin and found["properties"].get("disableLocalAccounts"):
        message = "Getting static credential is not allowed because this cluster is set to disable local accounts."
        raise CloudError(400, "BadRequest", message)
    kubeconfig = base64.b64encode(json.dumps(_kubeconfig(world, found["name"], admin)).encode()).decode()
    return answer({"kubeconfigs": [{"name": "clusterAdmin" if admin else "clusterUser", "value": kubeconfig}]})


def _kubeconfig(world: World, name: str, admin: bool) -> dict[str, object]:
    authority = base64.b64encode(world.certificates.authority.read_bytes()).decode()
    server = f"{world.base_url}/clusters/{name}"
    kubelogin = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "kubelogin",
        "args": ["get-token", "--server-id", AKS_SERVER, "--login", "devicecode"],
    }
    user = {"token": "offline-admin"} if admin else {"exec": kubelogin}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "user"}}],
        "current-context": name,
    }


def environment(world: World) -> dict[str, str]:
    """Load balancers on a port that needs no root, and times for a machine without a network."""
    return {
        "RIDGELINE_AZURE_ENDPOINT_PORT": "8080",
        "RIDGELINE_AZURE_SHIP_LOGS": "false",
        "RIDGELINE_AZURE_STOP_DELAY": "0",
        "RIDGELINE_AZURE_DRAIN_TIMEOUT": "2",
        "RIDGELINE_AZURE_SERVING_CLIENT_ID": world.principal,
    }


def seed(world: World) -> None:
    """The AKS cluster that `provision` would make."""
    cluster = f"{world.group_id}/providers/Microsoft.ContainerService/managedClusters/ridgeline"
    world.resources.put(cluster, {"location": "westeurope", "properties": {"kubernetesVersion": "1.33"}})
