from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from platforms.platform import Platform
from platforms.protocols import Endpoints
from platforms.values import EndpointStatus, Environment, Image, ModelVersion
from tasks import deployment, facts

MODEL = ModelVersion("diabetes", 3, {})
STATUS = EndpointStatus("diabetes", "qa", "http://qa", 3, Image("diabetes:3-a", "a" * 64), True)


class Resting:
    """Endpoints whose tests end as told."""

    def __init__(self, gone: bool) -> None:
        self.gone = gone

    def rest(self, recipe: str, environment: Environment) -> bool:
        return self.gone


@pytest.mark.parametrize(("gone", "serves"), [(False, 3), (True, None)])
def test_an_endpoint_that_rests_is_not_missed(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, gone: bool, serves: int | None
) -> None:
    resting = replace(platform, endpoints=cast(Endpoints, Resting(gone)))
    monkeypatch.setattr(deployment, "current", lambda: resting)
    deployment.record_release.fn(MODEL, STATUS, "passed")
    deployment.rest.fn(MODEL, STATUS)
    wanted = facts.serving("diabetes", "qa")
    assert (wanted.model_version if wanted else None) == serves
    assert facts.serving("diabetes", "prod") is None
