from __future__ import annotations

import json

import httpx
import pytest

from flows.release import _refuse, release
from flows.retrain import retrain
from platforms.errors import PlatformError
from platforms.platform import Platform
from platforms.values import Image, ModelVersion
from tasks import packaging, reconciling
from tests.flows.conftest import ScriptedCompute
from training import outputs

pytestmark = pytest.mark.usefixtures("supervised")


def served_version(platform: Platform, environment: str) -> int | None:
    status = platform.endpoints.status("diabetes", "qa" if environment == "qa" else "prod")
    return status.model_version if status else None


def test_a_registered_model_answers_in_production(
    loop_platform: Platform, data: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    retrain(return_state=True)
    state = release(return_state=True)
    assert state.name == "Released"
    champion = loop_platform.registry.champion("diabetes")
    assert champion is not None
    assert champion.version == 1
    assert [served_version(loop_platform, name) for name in ("qa", "prod")] == [1, 1]
    entries = loop_platform.journal.entries("diabetes")
    assert [(entry.action, entry.environment) for entry in entries] == [
        ("registered", None),
        ("released", "qa"),
        ("released", "prod"),
    ]
    prod = loop_platform.endpoints.status("diabetes", "prod")
    assert prod is not None
    key = loop_platform.secrets.get(prod.key_secret).split()[1]
    answer = httpx.post(
        f"{prod.url}/score", json={"data": [[0.01] * 10]}, headers={"authorization": f"Bearer {key}"}, trust_env=False
    )
    assert answer.status_code == 200
    assert release(return_state=True).message == "diabetes 1 is in production already"
    assert reconciling.missing("diabetes") == []

    def build(model: ModelVersion, anew: bool) -> Image:
        raise PlatformError(f"version {model.version} is built anew: {anew}")

    monkeypatch.setattr(packaging, "build_image", build)
    assert "version 1 is built anew: True" in str(release(rebuild=True, return_state=True).message)


def test_a_model_that_answers_otherwise_than_it_trained_leaves_production_alone(
    loop_platform: Platform, data: int, compute: ScriptedCompute
) -> None:
    compute.shift = 40.0
    retrain(return_state=True)
    release(return_state=True)
    compute.shift = 0.0
    retrain(return_state=True)
    weights = loop_platform.registry.outputs("diabetes", 2) / outputs.PORTABLE / "weights.json"
    changed = json.loads(weights.read_text())
    weights.chmod(0o644)
    weights.write_text(json.dumps(changed | {"intercept": changed["intercept"] + 1e-3}))
    state = release(return_state=True)
    assert state.is_failed()
    assert "predictions differ" in str(state.message)
    assert [served_version(loop_platform, name) for name in ("qa", "prod")] == [1, 1]
    champion = loop_platform.registry.champion("diabetes")
    assert champion is not None
    assert champion.version == 1
    assert loop_platform.journal.entries("diabetes")[-1].action == "rejected in qa"


def test_an_overtaken_version_is_superseded(loop_platform: Platform, data: int) -> None:
    retrain(return_state=True)
    retrain(return_state=True)
    assert release(model_version=1, return_state=True).name == "Superseded"
    assert loop_platform.endpoints.status("diabetes", "prod") is None
    loop_platform.journal.append("diabetes", "rejected in qa", reason="r", flow_run="f", model_version=2)
    assert [want.value for want in reconciling.missing("diabetes")] == [1]
    assert _refuse(loop_platform.registry.get("diabetes", 1), None) is None
    assert _refuse(loop_platform.registry.get("diabetes", 2), None) is None


@pytest.mark.long
@pytest.mark.usefixtures("supervised")
def test_an_overtaken_version_is_released_by_force_and_the_journal_says_why(
    loop_platform: Platform, data: int
) -> None:
    retrain(return_state=True)
    retrain(return_state=True)
    state = release(model_version=1, force=True, reason="ada: version 2 drifts", return_state=True)
    assert state.name == "Released", state.message
    [qa, prod] = loop_platform.journal.entries("diabetes")[-2:]
    assert qa.reason == "passed the API tests in qa, forced: ada: version 2 drifts"
    assert prod.reason == "passed the API tests in qa and prod, forced: ada: version 2 drifts"


def test_a_champion_that_changed_since_the_verdict_is_compared_again(
    loop_platform: Platform, data: int, compute: ScriptedCompute
) -> None:
    retrain(return_state=True)
    compute.shift = 40.0
    retrain(return_state=True)
    loop_platform.registry.promote("diabetes", 1, None)
    state = release(return_state=True)
    assert state.name == "NotPromoted"
    assert "the champion changed" in str(state.message)
    assert loop_platform.journal.entries("diabetes")[-1].model_version == 2


def test_there_is_nothing_to_release_before_the_first_model(loop_platform: Platform) -> None:
    state = release(return_state=True)
    assert state.is_failed()
    assert "start a retrain first" in str(state.message)
