"""Endpoints on Container Instances: one group each, replaced in place.

While a group is replaced it does not answer, which is good enough for qa. One that does not become ready is replaced
once more, by what served before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from platforms import scoring_settings
from platforms.azure import answering, clients, container_group
from platforms.azure.container_group import GroupParts, variables_of
from platforms.azure.endpoint_names import EndpointNames
from platforms.azure.errors import translated
from platforms.azure.operations import finish
from platforms.azure.service_environment import PORT, service_environment
from platforms.azure.settings import AzureSettings
from platforms.endpoint_keys import digest, ensure_keys
from platforms.errors import NotFoundError, NotReadyError, NotStartedError, PlatformError
from platforms.protocols import Secrets
from platforms.values import EndpointSpec, EndpointStatus, Environment, Image
from scoring_service.exit_codes import SURROUNDINGS

if TYPE_CHECKING:
    from azure.mgmt.containerinstance import ContainerInstanceManagementClient
    from azure.mgmt.containerinstance.models import ContainerGroup

ASKED: Final = "ridgeline-image"
"""Tag: `<model version> <image reference>` that the group shall serve."""
SERVED: Final = "ridgeline-served"
"""Tag: the same of what last passed its readiness."""
KEYS: Final = "ridgeline-keys"
"""Tag: digest of the API keys in the group's volume, which Azure shows nobody."""
LOOK_SECONDS: Final = 0.5
CRASHES: Final = 3
"""Restarts after which a new container is given up."""
UNPULLED: Final = ("InaccessibleImage", "RegistryErrorResponse")
"""Codes of a refusal because of the registry: missing, forbidden and unreachable cannot be told from each other."""
LAST_LINES: Final = 20
LAST_EVENTS: Final = 5


class ContainerInstances:
    """Implements `Endpoints`."""

    def __init__(self, settings: AzureSettings, secrets: Secrets, locate: Callable[[Image], str]) -> None:
        self._settings = settings
        self._secrets = secrets
        self._locate = locate

    def apply(self, spec: EndpointSpec) -> EndpointStatus:
        """Serve the image; raises `NotReadyError` with events and last lines, or `PlatformError`."""
        live, handed = self._find(spec.recipe, spec.environment), scoring_settings.to_hand_on()
        before = _spec(live, SERVED, spec.recipe, spec.environment) if live else None
        if live and before == spec and self._is_served(live, spec, handed):
            return EndpointStatus.of(spec, _url(live), ready=True)
        try:
            return self._serve(spec, before, handed)
        except NotReadyError as error:
            undone = self._undo(spec, before, scoring_settings.handed_on(variables_of(live)) if live else {})
            message = f"{spec} did not become ready with {spec.image.name}, {undone}: {error}"
            raise type(error)(message) from None

    def status(self, recipe: str, environment: Environment) -> EndpointStatus | None:
        """What the group serves, or shall serve before it ever did; None if there is no group."""
        live = self._find(recipe, environment)
        return _status(live, recipe, environment) if live else None

    def is_applied(self, spec: EndpointSpec) -> bool:
        """Whether the group is ready and as `apply` would leave it."""
        live = self._find(spec.recipe, spec.environment)
        status = _status(live, spec.recipe, spec.environment) if live else None
        if live is None or status is None or not status.serves(spec):
            return False
        return self._is_up_to_date(live, spec, scoring_settings.to_hand_on())

    def withdraw(self, recipe: str, environment: Environment) -> None:
        """Delete the group and wait until it is gone; no group is no error."""
        what = f"deletion of container group {self._name(recipe, environment)}"
        with translated(what):
            place = self._place(recipe, environment)
            deletion = self._groups.begin_delete(*place, polling_interval=self._settings.poll_seconds)
            finish(deletion, what, self._settings.replica_timeout, "replica_timeout")

    def rest(self, recipe: str, environment: Environment) -> bool:
        """Keep, stop or delete the group, as the settings want it after the tests; True unless it serves on."""
        if self._find(recipe, environment) is None:
            return True
        match self._settings.qa_after_tests:
            case "stop":
                with translated(f"stop of container group {self._name(recipe, environment)}"):
                    self._groups.stop(*self._place(recipe, environment), **clients.REPEATABLE)
            case "delete":
                self.withdraw(recipe, environment)
        return self._settings.qa_after_tests != "keep"

    def _serve(self, spec: EndpointSpec, before: EndpointSpec | None, handed: Mapping[str, str]) -> EndpointStatus:
        keys = ensure_keys(self._secrets, spec.recipe, spec.environment)
        tags = {ASKED: _tag(spec), KEYS: digest(keys)} | ({SERVED: _tag(before)} if before else {})
        parts = GroupParts(spec, self._locate(spec.image), keys, handed, tags)
        self._put(spec, container_group.group(parts, self._settings))
        live = self._await_ready(spec)
        self._tag_served(spec, tags)
        return EndpointStatus.of(spec, _url(live), ready=True)

    def _put(self, spec: EndpointSpec, made: ContainerGroup) -> None:
        live = self._find(spec.recipe, spec.environment)
        if live and _fixed(live) != _fixed(made):
            self.withdraw(spec.recipe, spec.environment)  # Azure does not change these in place.
        with translated(f"container group {self._name(spec.recipe, spec.environment)}"):
            end = time.monotonic() + self._settings.pull_timeout
            while reason := self._refused_image(spec, made):
                if time.monotonic() > end:
                    raise NotStartedError(reason)
                time.sleep(LOOK_SECONDS)

    def _refused_image(self, spec: EndpointSpec, made: ContainerGroup) -> str | None:
        """Create or replace the group; why the registry does not give its image, None if it does."""
        from azure.core.exceptions import HttpResponseError

        try:
            poller = self._groups.begin_create_or_update(
                *self._place(spec.recipe, spec.environment), made, polling_interval=self._settings.poll_seconds
            )
            poller.wait(self._settings.replica_timeout)
        except HttpResponseError as error:
            if error.error and error.error.code in UNPULLED:
                return str(error.error.message)
            raise
        return None

    def _await_ready(self, spec: EndpointSpec) -> ContainerGroup:
        end = time.monotonic() + self._settings.replica_timeout
        # For a moment the old container may still answer.
        while not answering.serves(_url(live := self._live(spec)), spec):
            if reason := next(_hopeless(live), None):
                raise self._failure(spec, live, reason)
            if time.monotonic() > end:
                raise self._failure(spec, live, f"it took over {self._settings.replica_timeout:g} s")
            time.sleep(LOOK_SECONDS)
        return live

    def _live(self, spec: EndpointSpec) -> ContainerGroup:
        live = self._find(spec.recipe, spec.environment)
        if live is None:
            raise NotStartedError(
                f"container group {self._name(spec.recipe, spec.environment)} was deleted meanwhile: apply again"
            )
        return live

    def _is_served(self, live: ContainerGroup, spec: EndpointSpec, handed: Mapping[str, str]) -> bool:
        return _is_running(live) and self._is_up_to_date(live, spec, handed) and answering.serves(_url(live), spec)

    def _is_up_to_date(self, live: ContainerGroup, spec: EndpointSpec, handed: Mapping[str, str]) -> bool:
        """Whether the group was given today's settings of the service and the keys of now."""
        keys = ensure_keys(self._secrets, spec.recipe, spec.environment)
        has_settings = scoring_settings.same(variables_of(live), service_environment(spec, self._settings, handed))
        return has_settings and _keys(live) == digest(keys)

    def _undo(self, spec: EndpointSpec, before: EndpointSpec | None, handed: Mapping[str, str]) -> str:
        """Serve again what was served before; says what became of it, and hides no error behind one of its own."""
        try:
            if before is None:
                self.withdraw(spec.recipe, spec.environment)
                return "nothing serves"
            self._serve(before, before, handed)
        except PlatformError as error:
            failed = f"{before.image.name} did not come back" if before else "it did not end"
            return f"and {failed} ({error})"
        return f"{before.image.name} still serves"

    def _failure(self, spec: EndpointSpec, live: ContainerGroup, reason: str) -> NotReadyError:
        kind = NotReadyError if is_to_blame(live) else NotStartedError
        return kind(f"{reason}\n{self._explain(spec, live)}")

    def _explain(self, spec: EndpointSpec, live: ContainerGroup) -> str:
        return "\n".join(line for container in live.containers for line in self._told(spec, container))

    def _told(self, spec: EndpointSpec, container: Any) -> Iterator[str]:  # noqa: ANN401 - the SDK has no types
        view = container.instance_view
        for event in (view.events or ())[-LAST_EVENTS:] if view else ():
            yield f"container {container.name}: {event.name}: {event.message}"
        yield f"last lines of container {container.name}:\n{self._last_lines(spec, container.name)}"

    def _last_lines(self, spec: EndpointSpec, container: str) -> str:
        """The last lines of a container's log, or why there are none: one that did not start yet has no log."""
        place = self._place(spec.recipe, spec.environment)
        try:
            with translated(f"logs of container {container}", NotFoundError("there are none yet, it did not start")):
                logs = self._client.containers.list_logs(*place, container, tail=LAST_LINES)
        except PlatformError as error:
            return str(error)
        return (logs.content or "").rstrip()

    def _tag_served(self, spec: EndpointSpec, tags: dict[str, str]) -> None:
        from azure.mgmt.containerinstance.models import Resource

        with translated(f"tags of container group {self._name(spec.recipe, spec.environment)}"):
            change = Resource(tags=tags | {SERVED: _tag(spec)})
            self._groups.update(*self._place(spec.recipe, spec.environment), change)

    def _find(self, recipe: str, environment: Environment) -> ContainerGroup | None:
        from azure.core.exceptions import ResourceNotFoundError

        with translated(f"container group {self._name(recipe, environment)}"):
            try:
                return self._groups.get(*self._place(recipe, environment))
            except ResourceNotFoundError:
                return None

    def _place(self, recipe: str, environment: Environment) -> tuple[str, str]:
        return self._settings.resource_group, self._name(recipe, environment)

    @staticmethod
    def _name(recipe: str, environment: Environment) -> str:
        return f"{EndpointNames.of(recipe).name}-{environment}"

    @property
    def _groups(self) -> Any:  # noqa: ANN401 - the SDK has no types
        return self._client.container_groups

    @cached_property
    def _client(self) -> ContainerInstanceManagementClient:
        from azure.mgmt.containerinstance import ContainerInstanceManagementClient

        return clients.management(self._settings, ContainerInstanceManagementClient)


def _spec(live: ContainerGroup, tag: str, recipe: str, environment: Environment) -> EndpointSpec | None:
    version, _, image = (live.tags or {}).get(tag, "").partition(" ")
    return EndpointSpec(recipe, environment, Image.parse(image), int(version)) if image else None


def _status(live: ContainerGroup, recipe: str, environment: Environment) -> EndpointStatus | None:
    asked, served = _spec(live, ASKED, recipe, environment), _spec(live, SERVED, recipe, environment)
    if asked is None:
        return None
    return EndpointStatus.of(served or asked, _url(live), ready=served == asked and _is_running(live))


def _keys(live: ContainerGroup) -> str:
    return str((live.tags or {}).get(KEYS, ""))


def _tag(spec: EndpointSpec) -> str:
    return f"{spec.model_version} {spec.image.reference}"


def _fixed(found: ContainerGroup) -> object:
    """What cannot be changed in a group that exists."""
    containers = {each.name: each.resources.requests for each in found.containers}
    volumes = sorted(volume.name for volume in found.volumes or () if volume.azure_file)
    return {name: (asked.cpu, asked.memory_in_gb) for name, asked in containers.items()}, volumes, found.os_type


def _is_running(live: ContainerGroup) -> bool:
    states = [each.instance_view.current_state.state for each in live.containers if each.instance_view]
    return live.provisioning_state == "Succeeded" and bool(states) and set(states) == {"Running"}


def is_to_blame(live: ContainerGroup) -> bool:
    """Whether a container was started in the group as it is now and none said that it lacks what it needs."""
    views = [each.instance_view for each in live.containers if each.instance_view]
    states = [state for view in views for state in (view.previous_state, view.current_state) if state]
    if any(state.exit_code == SURROUNDINGS for state in states):
        return False
    ran = any(view.current_state and view.current_state.state in ("Running", "Terminated") for view in views)
    return any(view.restart_count for view in views) or (ran and live.provisioning_state == "Succeeded")


def _hopeless(live: ContainerGroup) -> Iterator[str]:
    if live.provisioning_state == "Failed":
        yield f"container group {live.name} could not be provisioned"
    for container in live.containers:
        view = container.instance_view
        crashes = view.restart_count or 0 if view else 0
        if crashes >= CRASHES:
            yield f"container {container.name} ended {crashes} times"


def _url(live: ContainerGroup) -> str:
    return f"http://{live.ip_address.fqdn or live.ip_address.ip}:{PORT}"
