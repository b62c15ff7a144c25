from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pandas as pd
import pytest
from click.testing import CliRunner
from prefect.states import Completed, Running

from cli import bootstrap
from cli.chain import ChainError
from platforms.errors import NotFoundError
from platforms.platform import Platform
from platforms.settings import Settings
from platforms.values import Blob, EndpointStatus, Environment, Image, JournalEntry, ModelVersion
from recipes import catalog
from tasks import areas, claim, starting
from tests.cli.scripted import BLOB, EARLIER, Script, accepted, entry, run_of

RELEASE = starting.conclusion("diabetes", 5)


@dataclass
class Facts:
    """A platform of which a test says what is in it."""

    script: Script
    landed: list[Blob] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    models: list[ModelVersion] = field(default_factory=list)
    champion_version: int | None = None
    ready: bool = True
    rows: int = 0

    def waiting(self, prefix: str) -> list[Blob]:
        return self.landed

    def write(self, path: str, content: bytes) -> Blob:
        self.written.append(path)
        return replace(BLOB, path=path)

    def versions(self, recipe: str) -> list[ModelVersion]:
        return self.models

    def champion(self, recipe: str) -> ModelVersion | None:
        version = self.champion_version
        return None if version is None else ModelVersion(recipe, version, {})

    def entries(self, recipe: str) -> list[JournalEntry]:
        return self.script.entries

    def status(self, recipe: str, environment: Environment) -> EndpointStatus:
        image = Image("diabetes:5-abc", "f" * 64)
        return EndpointStatus(recipe, environment, "http://127.0.0.1:1", 5, image, self.ready)

    def release(self, version: int) -> None:
        """What a release leaves that went well."""
        self.champion_version = version
        self.script.missing.clear()
        self.script.entries.append(entry("released", version, "prod"))


@pytest.fixture
def scene(script: Script, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Facts:
    """An empty installation with one recipe; publishing does nothing."""
    made = Facts(script)

    def version(_: str) -> SimpleNamespace:
        if not (made.models or made.rows):
            raise NotFoundError("there is no table")
        return SimpleNamespace(rows=442)

    storage, datasets = SimpleNamespace(list=made.waiting, write=made.write), SimpleNamespace(version=version)
    ports = SimpleNamespace(storage=storage, registry=made, journal=made, endpoints=made, datasets=datasets)
    for module in (bootstrap, areas):
        monkeypatch.setattr(module, "current", lambda: ports)
    monkeypatch.setattr(bootstrap, "publish_all", lambda _: None)
    monkeypatch.setattr(catalog, "names", lambda: ["diabetes"])
    return made


def settle(script: Script, seconds: float = 60) -> None:
    since = datetime.now(UTC) - timedelta(seconds=1)
    bootstrap.settle(Settings(), script.report, time.monotonic() + seconds, since)


def test_seed_data_is_followed_to_production(script: Script, scene: Facts) -> None:
    script.attempts = [accepted(1)]
    script.then = [lambda: script.entries.append(entry("registered", 5, data=1)), lambda: scene.release(5)]
    settle(script)
    assert scene.written == ["landing/diabetes/seed.csv"]
    assert script.lines[-1] == "endpoints of diabetes are ready"


def test_an_installation_in_order_is_not_waited_for(script: Script, scene: Facts) -> None:
    scene.models, scene.champion_version = [ModelVersion("diabetes", 5, {})], 5
    script.entries = [entry("rejected in qa", 4, "qa", at=EARLIER)]
    settle(script)
    assert (scene.written, script.lines) == ([], ["deployments are published", "endpoints of diabetes are ready"])


def test_seed_data_is_not_landed_beside_data_that_has_no_model_yet(script: Script, scene: Facts) -> None:
    scene.rows = 442
    settle(script)
    assert scene.written == []


def test_a_first_model_that_is_rejected_is_an_error(script: Script, scene: Facts) -> None:
    script.attempts, script.entries = (
        [accepted(1)],
        [entry("registered", 5, data=1), entry("rejected in qa", 5, "qa")],
    )
    with pytest.raises(ChainError, match="model version 5 of diabetes was rejected in qa: a reason; mend the cause"):
        settle(script)


def test_a_first_model_that_was_rejected_long_ago_serves_nothing_still(script: Script, scene: Facts) -> None:
    scene.models, script.entries = [ModelVersion("diabetes", 5, {})], [entry("rejected in qa", 5, "qa", at=EARLIER)]
    with pytest.raises(ChainError, match="nothing serves diabetes: model version 5 of diabetes was rejected in qa"):
        settle(script)


def test_seed_data_that_is_refused_is_an_error(script: Script, scene: Facts) -> None:
    script.attempts = [run_of(Completed(name="Quarantined", message="column 'bmi' is missing"))]
    with pytest.raises(
        ChainError, match="validate-data ended Quarantined: column 'bmi' is missing; `ridgeline ingest`"
    ):
        settle(script)


def test_a_recipe_without_data_is_no_error(script: Script, scene: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(catalog.load("diabetes"), seed_data=pd.DataFrame)
    monkeypatch.setattr(catalog, "load", lambda _: recipe)
    settle(script)
    assert (scene.written, script.lines[-1]) == ([], "diabetes waits for its first data")


def test_what_reconcile_starts_is_waited_for(script: Script, scene: Facts) -> None:
    scene.models, scene.champion_version = [ModelVersion("diabetes", 5, {})], 4
    script.missing, script.under_way = [RELEASE], [run_of(Running())]
    script.then = [lambda: None, lambda: scene.release(5), script.under_way.clear]
    settle(script)
    assert script.then == []
    assert script.lines[1:3] == ["waiting for release/diabetes with model_version=5", "waiting for run a run"]


def test_a_release_of_reconcile_that_fails_its_tests_is_an_error(script: Script, scene: Facts) -> None:
    scene.models, scene.champion_version = [ModelVersion("diabetes", 5, {})], 4
    script.missing = [RELEASE]
    script.then = [lambda: script.entries.append(entry("rejected in prod", 5, "prod")), script.missing.clear]
    with pytest.raises(ChainError, match="version 5 of diabetes was rejected in prod"):
        settle(script)


def test_what_was_tried_in_vain_is_told_and_not_waited_for(script: Script, scene: Facts) -> None:
    scene.models, scene.champion_version = [ModelVersion("diabetes", 5, {})], 4
    script.missing, script.exhausted = [RELEASE], True
    with pytest.raises(ChainError, match=r"release/diabetes with model_version=5 was tried 3 times in vain"):
        settle(script)


def test_the_time_is_bounded(script: Script, scene: Facts) -> None:
    scene.models, scene.champion_version, scene.ready = [ModelVersion("diabetes", 5, {})], 5, False
    with pytest.raises(ChainError, match="endpoints of diabetes are not ready: see `ridgeline status`"):
        settle(script, seconds=-1)
    script.missing = [RELEASE]
    with pytest.raises(ChainError, match="release/diabetes with model_version=5 did not end in time"):
        settle(script, seconds=-1)


def test_what_is_wrong_with_one_recipe_keeps_no_other_from_its_data(
    script: Script, scene: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "names", lambda: ["diabetes", "wine"])
    recipe = catalog.load("diabetes")
    monkeypatch.setattr(catalog, "load", lambda _: recipe)
    script.attempts = [run_of(Completed(name="Quarantined"))]
    with pytest.raises(ChainError, match=r"(?s)nothing serves diabetes: .*nothing serves wine: "):
        settle(script)
    assert scene.written == ["landing/diabetes/seed.csv", "landing/wine/seed.csv"]


def test_what_is_wrong_is_told_without_a_traceback(script: Script, scene: Facts) -> None:
    scene.models, script.entries = [ModelVersion("diabetes", 5, {})], [entry("rejected in qa", 5, "qa", at=EARLIER)]
    result = CliRunner().invoke(bootstrap.main, [str(time.monotonic() + 60), datetime.now(UTC).isoformat()])
    assert result.exit_code == 1
    assert result.stdout == "deployments are published\n"
    assert result.stderr.startswith("Error: nothing serves diabetes: model version 5 of diabetes was rejected in qa")


def test_a_platform_of_another_installation_is_touched_only_after_taking_it_over(
    script: Script, scene: Facts, platform: Platform
) -> None:
    platform.lock.swap(claim.NAME, None, "b0b on their-machine")
    arguments = [str(time.monotonic() + 60), datetime.now(UTC).isoformat()]
    refused = CliRunner().invoke(bootstrap.main, arguments)
    assert refused.exit_code == 1
    assert "in the hands of installation b0b on their-machine" in refused.stderr
    assert scene.written == []
    script.attempts = [accepted(1)]
    script.then = [lambda: script.entries.append(entry("registered", 5, data=1)), lambda: scene.release(5)]
    taken = CliRunner().invoke(bootstrap.main, [*arguments, "--take-over"])
    assert taken.exit_code == 0, taken.output
    assert scene.written == ["landing/diabetes/seed.csv"]
