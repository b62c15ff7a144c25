"""The real flows on the Azure platform: the same steps and the same end states as on one machine."""

from __future__ import annotations

import httpx
import pytest
from prefect.settings import PREFECT_API_URL

from flows.release import release
from flows.retrain import retrain
from flows.validate_data import validate_data
from platforms.azure.secrets import VaultSecrets
from platforms.platform import Platform
from platforms.values import EndpointStatus, key_secret
from tasks import reconciling
from tests import leaks
from tests.emulator.world import World
from tests.flows.conftest import content, seed_csv
from tests.platforms.azure import left_behind
from tests.platforms.azure.faulty import every_service
from tests.waiting import wait_for

pytestmark = pytest.mark.filterwarnings("ignore::marshmallow.warnings.RemovedInMarshmallow4Warning")


@pytest.mark.long
def test_a_batch_becomes_a_model_in_production_and_no_secret_is_told(platform: Platform, world: World) -> None:
    """Although Azure throttles the retrain and loses answers to the release: two cases of the fault matrix."""
    landed = platform.storage.write("landing/diabetes/seed.csv", seed_csv()).path
    assert validate_data(landed, return_state=True).name == "Accepted"
    with every_service("throttle")(world):
        trained = retrain(return_state=True)
    assert trained.name == "Registered", trained.message
    with every_service("drop-answer")(world):
        released = release(return_state=True)
    assert released.name == "Released", released.message
    assert [(entry.action, entry.environment) for entry in platform.journal.entries("diabetes")] == [
        ("registered", None),
        ("released", "qa"),
        ("released", "prod"),
    ]
    prod = platform.endpoints.status("diabetes", "prod")
    champion = platform.registry.champion("diabetes")
    assert prod is not None
    assert champion is not None
    assert (prod.model_version, champion.version, prod.ready) == (1, 1, True)
    key = platform.secrets.get(prod.key_secret).split()[1]
    assert ask(prod, key) == 200
    assert reconciling.restore_endpoints.fn("diabetes") == []
    for environment in reconciling.ENVIRONMENTS:
        exchange(platform, key_secret("diabetes", environment))
    assert reconciling.restore_endpoints.fn("diabetes") == ["qa", "prod"]
    assert reconciling.restore_endpoints.fn("diabetes") == []
    # Each replica hears of it by itself, and any of them may answer.
    wait_for(lambda: {ask(prod, "exchanged-scoring-diabetes-prod") for _ in range(8)} == {200})
    wait_for(lambda: {ask(prod, key) for _ in range(8)} == {401})
    logs = [blob.path for blob in platform.storage.list("logs/diabetes/")]
    assert len([path for path in logs if path.endswith("flow.log")]) == 3
    assert any(b"training" in content(platform, path) for path in logs)
    assert release(return_state=True).message == "diabetes 1 is in production already"
    secrets = left_behind.secrets(world)
    assert {f"{name}, line 0" for name in ("scoring-diabetes-prod", "scoring-diabetes-qa")} <= set(secrets)
    evidence = list(left_behind.everything(world, str(PREFECT_API_URL.value())))
    seen = {where.split("/")[0].split()[0] for where, _ in evidence}
    assert seen >= {"blob", "Prefect's", "resource", "object", "telemetry", "runtime"}
    assert leaks.told(secrets, evidence) == []


def ask(status: EndpointStatus, key: str) -> int:
    headers = {"authorization": f"Bearer {key}", "connection": "close"}
    return httpx.post(
        f"{status.url}/score", json={"data": [[0.01] * 10]}, headers=headers, trust_env=False
    ).status_code


def exchange(platform: Platform, secret: str) -> None:
    """Store another key in the vault, as a person does."""
    assert isinstance(platform.secrets, VaultSecrets)
    platform.secrets._vault.set_secret(secret, f"second exchanged-{secret}\n")
