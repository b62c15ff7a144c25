from __future__ import annotations

import sys
from collections.abc import Callable
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import Artifact, State

from flows.build import build
from platforms.platform import Platform
from recipes import catalog
from tasks import checking, publishing, revision
from tasks.checking import Command

Published = list[tuple[list[str], str, str | None]]

FINE = Command("style", (sys.executable, "-c", "print('all is well')"))
SLOW_AND_BAD = Command("types", (sys.executable, "-c", "print('line 7: wrong'); raise SystemExit(3)"))
BAD = Command("unit-tests", (sys.executable, "-c", "print('one failed'); raise SystemExit(1)"))


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Published:
    """What would have been published."""
    told: Published = []
    monkeypatch.setattr(publishing, "publish", lambda recipes, url, version: told.append((recipes, url, version)))
    return told


@pytest.fixture
def script(loop_platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Gives the flow small commands instead of the real ones, which would run this very test."""

    def give(*commands: Command) -> None:
        monkeypatch.setattr(checking, "commands", lambda tests, coverage: list(commands))

    assert loop_platform
    return give


def artifacts(state: State) -> dict[str, Artifact]:
    """The artifacts of the run, by key."""
    run = state.state_details.flow_run_id
    assert run
    with get_client(sync_client=True) as client:
        wanted = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(str(run))]))
        return {str(artifact.key): artifact for artifact in client.read_artifacts(artifact_filter=wanted)}


def test_when_all_pass_the_deployments_are_published(
    script: Callable[..., None], published: Published, loop_platform: Platform
) -> None:
    script(FINE)
    state = build(return_state=True)
    version = revision.version()
    assert (state.name, state.message) == ("Published", f"deployments of diabetes at {version}")
    assert published == [(["diabetes"], publishing.server_url(), version)]
    found = artifacts(state)
    assert set(found) == {"build-style", "build-sample-diabetes"}
    assert "all is well" in str(found["build-style"].data)
    assert found["build-sample-diabetes"].description == "442 rows keep the schema of diabetes"
    assert [blob.path.rsplit("/", 1)[1] for blob in loop_platform.storage.list("logs/build/")] == ["flow.log"]


def test_no_failing_check_hides_another_and_nothing_is_published(
    script: Callable[..., None], published: Published
) -> None:
    script(SLOW_AND_BAD, BAD, FINE)
    state = build(return_state=True)
    assert (state.name, state.is_failed(), published) == ("Failed", True, [])
    assert str(state.message).splitlines() == [
        "2 of 4 checks failed, nothing is published",
        "types: ended with 3:",
        "line 7: wrong",
        "unit-tests: ended with 1:",
        "one failed",
    ]
    assert len(artifacts(state)) == 4


def test_checks_alone_publish_nothing(script: Callable[..., None], published: Published) -> None:
    script(FINE)
    state = build(publish=False, return_state=True)
    assert (state.name, published) == ("Passed", [])


def test_code_that_changed_under_the_checks_is_not_published(
    script: Callable[..., None], published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(FINE)
    versions = iter(["run name", "before", "after", "after"])
    monkeypatch.setattr(revision, "version", lambda: next(versions))
    state = build(return_state=True)
    assert state.is_failed()
    assert "the code was before and is after now" in str(state.message)
    assert published == []


def test_a_sample_that_cannot_be_made_fails_its_check_only(
    script: Callable[..., None], published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(FINE)
    monkeypatch.setattr(catalog, "names", lambda: ["diabetes", "gone"])
    state = build(return_state=True)
    assert "1 of 3 checks failed" in str(state.message)
    assert "sample of gone: RecipeError: recipes/gone cannot be imported: ModuleNotFoundError" in str(state.message)
    assert set(artifacts(state)) == {"build-style", "build-sample-diabetes", "build-sample-gone"}
    assert published == []
