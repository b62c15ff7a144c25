"""Endpoints on Azure: prod on AKS, qa on Container Instances or, if the settings say so, on AKS too."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from platforms.azure.container_instances import ContainerInstances
from platforms.azure.kubernetes_access import connect
from platforms.azure.kubernetes_endpoints import KubernetesEndpoints
from platforms.azure.kubernetes_objects import Objects
from platforms.azure.settings import AzureSettings
from platforms.protocols import Secrets
from platforms.values import EndpointSpec, EndpointStatus, Environment, Image


class AzureEndpoints:
    """Implements `Endpoints`. `locate` gives the name by which the registry has an image, ending in its digest."""

    def __init__(self, settings: AzureSettings, secrets: Secrets, locate: Callable[[Image], str]) -> None:
        self._settings = settings
        self._secrets = secrets
        self._locate = locate
        self._made: dict[Environment, ContainerInstances | KubernetesEndpoints] = {}

    def apply(self, spec: EndpointSpec) -> EndpointStatus:
        """Serve `spec` and return when all replicas do; raises `NotReadyError` with their events and last lines."""
        return self.of(spec.environment).apply(spec)

    def status(self, recipe: str, environment: Environment) -> EndpointStatus | None:
        """What the endpoint serves now; None if it serves nothing."""
        return self.of(environment).status(recipe, environment)

    def is_applied(self, spec: EndpointSpec) -> bool:
        """Whether the endpoint is ready and as `apply` would leave it."""
        return self.of(spec.environment).is_applied(spec)

    def withdraw(self, recipe: str, environment: Environment) -> None:
        """Stop serving; an endpoint that serves nothing stays so."""
        self.of(environment).withdraw(recipe, environment)

    def rest(self, recipe: str, environment: Environment) -> bool:
        """The tests there are over: do what the settings want then; True if nothing is left that serves."""
        return self.of(environment).rest(recipe, environment)

    def of(self, environment: Environment) -> ContainerInstances | KubernetesEndpoints:
        """Where an environment's endpoints are."""
        if environment not in self._made:
            self._made[environment] = self._make(environment)
        return self._made[environment]

    def _make(self, environment: Environment) -> ContainerInstances | KubernetesEndpoints:
        settings = self._settings
        if environment == "prod":
            return self._on_aks(settings.kubernetes_cluster, settings.kubernetes_namespace)
        if settings.qa_kind == "aci":
            return ContainerInstances(settings, self._secrets, self._locate)
        cluster = settings.kubernetes_qa_cluster or settings.kubernetes_cluster
        return self._on_aks(cluster, settings.kubernetes_qa_namespace)

    def _on_aks(self, cluster: str, namespace: str) -> KubernetesEndpoints:
        objects = Objects(partial(connect, self._settings, cluster), cluster, self._settings.kubernetes_force)
        return KubernetesEndpoints(self._settings, objects, namespace, self._secrets, self._locate)
