from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.provision import provision
from platforms import selection
from platforms.errors import PlatformError
from platforms.platform import Platform
from platforms.values import Change
from tasks import provisioning, publishing, revision

Published = list[tuple[list[str], str]]


class Infrastructure:
    """Two resources, of which some are there; one may refuse to be made."""

    name = "group"

    def __init__(self) -> None:
        self.there: set[str] = set()
        self.wanted = ("account", "queue")
        self.refuses = ""

    def plan(self) -> list[Change]:
        return [Change(name, "same" if name in self.there else "create") for name in self.wanted]

    def apply(self, resource: str) -> Change:
        if resource == self.refuses:
            raise PlatformError(f"{resource}: quota exceeded")
        change = Change(resource, "same" if resource in self.there else "create")
        self.there.add(resource)
        return change

    def chosen(self) -> Mapping[str, str]:
        return {"RIDGELINE_AZURE_CLIENT_ID": "c1"}

    def destroy(self) -> None:
        self.there.clear()


@pytest.fixture
def infrastructure(
    platform: Platform, prefect_server: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Infrastructure]:
    made = Infrastructure()
    monkeypatch.setattr(selection, "load", lambda _: dataclasses.replace(platform, infrastructure=made))
    selection.current.cache_clear()
    yield made
    selection.current.cache_clear()


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Published:
    """Every publication; the server then has the deployments in the version of the code."""
    found: Published = []
    versions: dict[str, set[str | None]] = {}

    def publish(recipes: list[str], server: str) -> None:
        found.append((recipes, server))
        versions.update({name: {revision.version()} for name in recipes})

    monkeypatch.setattr(publishing, "publish", publish)
    monkeypatch.setattr(provisioning, "_published", lambda: versions)
    return found


def actions() -> list[tuple[str, str]]:
    return [(change.action, change.resource) for change in provisioning.plan()]


def test_what_is_missing_is_made_in_order_and_then_the_deployments(
    infrastructure: Infrastructure, published: Published
) -> None:
    assert actions() == [("create", "account"), ("create", "queue"), ("create", provisioning.DEPLOYMENTS)]
    state = provision(return_state=True)
    assert (state.name, state.message) == ("Provisioned", "3 of 3 resources were made or changed")
    assert published == [(["diabetes"], publishing.server_url())]
    assert infrastructure.there == {"account", "queue"}


def test_a_second_run_changes_nothing(infrastructure: Infrastructure, published: Published) -> None:
    provision()
    state = provision(return_state=True)
    assert (state.name, state.message) == ("Complete", "3 resources are as they shall be")
    assert len(published) == 1


def test_a_failure_names_the_resource_and_the_next_run_goes_on(
    infrastructure: Infrastructure, published: Published
) -> None:
    infrastructure.refuses = "queue"
    state = provision(return_state=True)
    assert (state.is_failed(), "queue: quota exceeded" in str(state.message)) == (True, True)
    assert (infrastructure.there, published) == ({"account"}, [])
    infrastructure.refuses = ""
    assert provision(return_state=True).message == "2 of 3 resources were made or changed"


def test_the_plan_is_an_artifact_and_the_log_is_archived(
    infrastructure: Infrastructure, published: Published, platform: Platform
) -> None:
    run = provision(return_state=True).state_details.flow_run_id
    assert run is not None
    mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
    with get_client(sync_client=True) as client:
        [artifact] = client.read_artifacts(artifact_filter=mine)
    assert (artifact.key, "account" in str(artifact.data)) == ("provision-plan", True)
    assert [blob.path for blob in platform.storage.list("logs/provision/")] == [f"logs/provision/{run}/flow.log"]


def test_a_log_that_cannot_be_archived_hides_no_failure(
    infrastructure: Infrastructure, published: Published, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PlatformError("there is no container yet")

    monkeypatch.setattr(type(platform.storage), "upload", refuse)
    infrastructure.refuses = "account"
    state = provision(return_state=True)
    assert "account: quota exceeded" in str(state.message)
    infrastructure.refuses = ""
    assert provision(return_state=True).name == "Provisioned"


def test_without_a_server_the_deployments_are_left_to_up(infrastructure: Infrastructure) -> None:
    for url in (None, "http://127.0.0.1:9/api"):
        with temporary_settings({PREFECT_API_URL: url}):
            last = provisioning.plan()[-1]
        assert (last.action, "`ridgeline up` starts one" in last.detail) == ("same", True)


def test_deployments_of_another_version_are_an_update(
    infrastructure: Infrastructure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provisioning, "_published", lambda: {"diabetes": {"an old commit"}})
    assert provisioning.plan()[-1].action == "update"


@pytest.mark.usefixtures("deployments")
def test_what_is_published_is_read_from_the_server(
    infrastructure: Infrastructure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code may have changed since the tests' server was started."""
    with get_client(sync_client=True) as client:
        version = client.read_deployment_by_name("retrain/diabetes").version
    monkeypatch.setattr(revision, "version", lambda: version)
    assert provisioning.plan()[-1] == Change(provisioning.DEPLOYMENTS, "same")


def test_only_its_own_name_destroys_it(infrastructure: Infrastructure, published: Published) -> None:
    provision()
    with pytest.raises(PlatformError, match="'grup' is not 'group': nothing was deleted"):
        provisioning.destroy("grup")
    assert infrastructure.there
    provisioning.destroy("group")
    assert infrastructure.there == set()


def test_a_platform_without_infrastructure_has_nothing_to_destroy(platform: Platform) -> None:
    with pytest.raises(PlatformError, match="platform local has no infrastructure"):
        provisioning.destroy("")
