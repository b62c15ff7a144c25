from __future__ import annotations

from dataclasses import replace
from typing import cast
from unittest.mock import Mock

import pytest

from platforms.endpoint_keys import digest, ensure_keys
from platforms.errors import ConflictError, PlatformError
from platforms.platform import Platform
from platforms.protocols import Endpoints, Journal, Registry, Secrets
from platforms.settings import Settings
from platforms.values import (
    DatasetVersion,
    EndpointSpec,
    EndpointStatus,
    Environment,
    Image,
    ModelVersion,
    key_secret,
)
from tasks import deployment, facts, reconciling, starting
from tests.tasks.test_deployment import MODEL

IMAGE = Image("diabetes:3-a", "a" * 64)


class Given:
    """Endpoints that keep the keys that they were given with their last apply, and refuse some."""

    def __init__(self, secrets: Secrets) -> None:
        self.secrets = secrets
        self.keys: dict[Environment, str] = {}
        self.refusing: set[Environment] = set()

    def apply(self, spec: EndpointSpec) -> EndpointStatus:
        if spec.environment in self.refusing:
            raise ConflictError(f"somebody changed {spec}")
        self.keys[spec.environment] = digest(ensure_keys(self.secrets, spec.recipe, spec.environment))
        return EndpointStatus.of(spec, "http://it", ready=True)

    def is_applied(self, spec: EndpointSpec) -> bool:
        return self.keys[spec.environment] == digest(ensure_keys(self.secrets, spec.recipe, spec.environment))


@pytest.fixture
def given(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Given:
    """Both endpoints serve what the journal says."""
    endpoints = Given(platform.secrets)
    built = replace(platform, endpoints=cast(Endpoints, endpoints))
    for module in (deployment, facts, reconciling):
        monkeypatch.setattr(module, "current", lambda: built)
    for environment in reconciling.ENVIRONMENTS:
        status = endpoints.apply(EndpointSpec("diabetes", environment, IMAGE, 3))
        deployment.record_release.fn(MODEL, status, "passed")
    return endpoints


def exchange(settings: Settings, environment: Environment) -> None:
    (settings.state_dir / "secrets" / key_secret("diabetes", environment)).write_text("second new-key\n")


def test_an_endpoint_whose_keys_were_exchanged_gets_them_once(settings: Settings, given: Given) -> None:
    assert reconciling.restore_endpoints.fn("diabetes") == []
    exchange(settings, "prod")
    assert reconciling.restore_endpoints.fn("diabetes") == ["prod"]
    assert given.keys["prod"] == digest("second new-key\n")
    assert reconciling.restore_endpoints.fn("diabetes") == []


def test_an_endpoint_that_cannot_be_put_right_is_told_and_keeps_no_other_from_it(
    settings: Settings, given: Given
) -> None:
    given.refusing.add("qa")
    for environment in reconciling.ENVIRONMENTS:
        exchange(settings, environment)
    with pytest.raises(PlatformError, match="somebody changed qa endpoint of diabetes"):
        reconciling.restore_endpoints.fn("diabetes")
    assert given.keys["prod"] == digest("second new-key\n")


@pytest.fixture
def reads(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Reads of the journal, where a champion and a newer model wait for releases that failed too often."""
    registry, datasets, entries = Mock(), Mock(), Mock(return_value=[])
    registry.champion.return_value = ModelVersion("diabetes", 1, {})
    registry.versions.return_value = [ModelVersion("diabetes", version, {}) for version in (1, 2)]
    datasets.version.return_value = Mock(spec=DatasetVersion, rows=40, version=3)
    changed = replace(
        platform,
        journal=cast(Journal, Mock(entries=entries)),
        registry=cast(Registry, registry),
        datasets=datasets,
        endpoints=cast(Endpoints, Mock()),
    )
    for module in (facts, reconciling):
        monkeypatch.setattr(module, "current", lambda: changed)
    monkeypatch.setattr(starting, "is_exhausted", lambda _: True)
    monkeypatch.setattr(reconciling, "locked", Mock(return_value=Mock(__enter__=Mock(), __exit__=Mock())))
    return entries


def test_one_look_at_what_is_missing_reads_the_journal_once(reads: Mock) -> None:
    found = [(want.flow, want.value) for want in reconciling.missing("diabetes")]
    assert found == [("retrain", 3), ("release", 1), ("release", 2)]
    assert reads.call_count == 1


def test_one_look_at_the_endpoints_reads_the_journal_once(reads: Mock) -> None:
    assert reconciling.restore_endpoints.fn("diabetes") == []
    assert reads.call_count == 1
