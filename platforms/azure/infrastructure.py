"""The blueprint against what exists: the plan, one step of it at a time, and the end of it all."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from platforms.azure.blueprint import Blueprint
from platforms.azure.clients import management
from platforms.azure.difference import differences, merged
from platforms.azure.errors import translated
from platforms.azure.operations import finish, still_going_on
from platforms.azure.resources import Document, Resource, UnknownOutputError, wanted
from platforms.azure.settings import AzureSettings
from platforms.errors import NotFoundError, PlatformError
from platforms.values import Change

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineResponse
    from azure.core.polling import LROPoller
    from azure.mgmt.resource import ResourceManagementClient

NEEDED: Final = ("subscription_id", "tenant_id", "storage_account", "registry", "key_vault")
AT_ONCE: Final = 8
"""Resources that are asked for at the same time."""
SETTLED: Final = ("succeeded", "failed", "canceled")
TIMEOUT: Final = "provision_timeout"
"""The setting that bounds how long each resource is waited for."""
GIVEN_BY_AZURE: Final = "RoleAssignmentExists"
"""The error if somebody has the role already, by an assignment of another name."""


class AzureInfrastructure:
    """The infrastructure port on Azure Resource Manager. All state is Azure's own: a run goes on where one ended."""

    def __init__(self, settings: AzureSettings) -> None:
        self._settings = settings

    @property
    def name(self) -> str:
        """The resource group, which holds everything."""
        return self._settings.resource_group

    def plan(self) -> list[Change]:
        """What `apply` would do with each resource; only reads."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = dict(zip(self._resources, pool.map(self._find, self._resources.values()), strict=True))
        documents = {self._resources[label].id.lower(): document for label, document in found.items() if document}
        return [self._compare(self._resources[label], document, documents) for label, document in found.items()]

    def apply(self, resource: str) -> Change:
        """Make one resource as it shall be; waits for what another run has begun."""
        if resource not in self._resources:
            raise NotFoundError(f"the plan has no resource {resource}: it has {', '.join(self._resources)}")
        made = self._resources[resource]
        actual = self._settled(made)
        documents = self._referred_to(made)
        change = self._compare(made, actual, documents)
        if change.action == "same" or self._put(made, wanted(made.body, documents, first=actual is None), actual):
            return change
        return Change(made.label, "same", "Azure gave this role by itself, under another name")

    def destroy(self) -> None:
        """Delete the resource group, and with it everything; one that is gone is no error."""
        from azure.core.exceptions import ResourceNotFoundError

        what = f"resource group {self.name}"
        with translated(what), suppress(ResourceNotFoundError):
            self._finish(self._client.resource_groups.begin_delete(self.name), f"deletion of {what}")

    def chosen(self) -> Mapping[str, str]:
        """The client ids of the identities, which Azure chose."""
        found = self._find(self._blueprint.serving), self._find(self._blueprint.pipeline)
        names = "RIDGELINE_AZURE_SERVING_CLIENT_ID", "RIDGELINE_AZURE_CLIENT_ID"
        return {name: made["properties"]["clientId"] for name, made in zip(names, found, strict=True) if made}

    @cached_property
    def _blueprint(self) -> Blueprint:
        missing = [name for name in NEEDED if not getattr(self._settings, name)]
        if missing:
            names = ", ".join(f"RIDGELINE_AZURE_{name.upper()}" for name in missing)
            raise PlatformError(f"nothing can be provisioned before these are set: {names}; see docs/azure.md")
        return Blueprint(self._settings)

    @cached_property
    def _resources(self) -> Mapping[str, Resource]:
        return {resource.label: resource for resource in self._blueprint.resources()}

    @cached_property
    def _client(self) -> ResourceManagementClient:
        from azure.mgmt.resource import ResourceManagementClient

        return management(self._settings, ResourceManagementClient)

    def _compare(self, made: Resource, actual: Document | None, documents: Mapping[str, Document]) -> Change:
        if actual is None:
            return Change(made.label, "create")
        try:
            found = list(differences(wanted(made.body, documents, first=False), actual))
        except UnknownOutputError as unknown:
            return Change(made.label, "update", f"known only later: {unknown}")
        if _state(actual) in ("failed", "canceled"):
            found.append(f"the last change ended {_state(actual)}")
        return Change(made.label, "update" if found else "same", "; ".join(found))

    def _find(self, made: Resource) -> Document | None:
        from azure.core.exceptions import ResourceNotFoundError

        with translated(made.label):
            try:
                found: Document = self._client.resources.get_by_id(made.id, made.api_version, cls=_document)
            except ResourceNotFoundError:
                return None
        return found

    def _settled(self, made: Resource) -> Document | None:
        """The resource as it is, once nobody is at work on it any more."""
        end = time.monotonic() + self._settings.provision_timeout
        while (found := self._find(made)) and (state := _state(found)) and state not in SETTLED:
            if time.monotonic() > end:
                what = f"{made.label}, which is {state} since another run,"
                raise PlatformError(still_going_on(what, self._settings.provision_timeout, TIMEOUT))
            time.sleep(self._settings.poll_seconds)
        return found

    def _referred_to(self, made: Resource) -> Mapping[str, Document]:
        """The documents of the resources whose outputs the body wants; all of them come earlier in the plan."""
        ids = made.outputs()
        others = [other for other in self._resources.values() if other.id in ids]
        return {other.id.lower(): found for other in others if (found := self._settled(other))}

    def _put(self, made: Resource, body: object, actual: Document | None) -> bool:
        """Send what is wanted and wait for the end; False if Azure has it under another name already."""
        from azure.core.exceptions import HttpResponseError

        resources = self._client.resources
        with translated(f"{made.label}; what was made before it stays, the next run goes on from there"):
            if actual and made.is_fixed:
                deletion = resources.begin_delete_by_id(made.id, made.api_version)
                self._finish(deletion, f"deletion of {made.label}")
            content = json.dumps(body if made.is_fixed else merged(body, actual)).encode()
            try:
                change = resources.begin_create_or_update_by_id(made.id, made.api_version, io.BytesIO(content))
                self._finish(change, made.label)
            except HttpResponseError as error:
                if error.error is None or error.error.code != GIVEN_BY_AZURE:
                    raise
                return False
        return True

    def _finish(self, poller: LROPoller[Any], what: str) -> None:
        finish(poller, what, self._settings.provision_timeout, TIMEOUT)


def _document(response: PipelineResponse[Any, Any], *_: object) -> Document:
    found: Document = response.http_response.json()
    return found


def _state(document: Document) -> str:
    properties = document.get("properties") or {}
    return str(properties.get("provisioningState") or "").lower()
