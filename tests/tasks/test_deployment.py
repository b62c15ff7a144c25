from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from platforms.errors import NotReadyError, NotStartedError, PlatformError
from platforms.platform import Platform
from platforms.protocols import Endpoints
from platforms.values import EndpointSpec, EndpointStatus, Environment, Image, ModelVersion
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


class Failing:
    """Endpoints that raise one error for the new image and another one when the old is to come back.

    They serve the new image from the beginning, as after a run that was killed before it tested it.
    """

    def __init__(self, first: Exception, second: Exception | None = None) -> None:
        self.first, self.second = first, second
        self.served: list[int | None] = []

    def status(self, recipe: str, environment: Environment) -> EndpointStatus:
        return STATUS

    def apply(self, spec: EndpointSpec) -> EndpointStatus:
        self.served.append(spec.model_version)
        error = self.first if spec.model_version == MODEL.version else self.second
        if error:
            raise error
        return STATUS

    def withdraw(self, recipe: str, environment: Environment) -> None:
        self.served.append(None)


@pytest.mark.parametrize("second", [None, PlatformError("no connection")])
@pytest.mark.parametrize(
    ("first", "rejected"),
    [
        (NotReadyError("it crashed"), True),
        (NotStartedError("it could not be pulled"), False),
        (PlatformError("try again"), False),
    ],
)
def test_only_what_the_image_did_is_a_verdict_and_nothing_hides_it(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, first: Exception, second: Exception | None, rejected: bool
) -> None:
    failing = Failing(first, second)
    monkeypatch.setattr(deployment, "current", lambda: replace(platform, endpoints=cast(Endpoints, failing)))
    deployment.record_release.fn(replace(MODEL, version=2), STATUS, "passed")
    with pytest.raises(type(first), match=str(first)):
        deployment.deploy.fn(MODEL, STATUS.image, "qa")
    assert failing.served == [3, 2]
    reasons = [entry.reason for entry in platform.journal.entries("diabetes")]
    assert reasons == ["passed", *[str(first)] * rejected]
    assert (facts.conclusion("diabetes", 3) is not None) == rejected


def test_an_untested_image_of_a_killed_run_is_not_what_a_failing_endpoint_goes_back_to(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Failing(NotReadyError("it crashed"))
    monkeypatch.setattr(deployment, "current", lambda: replace(platform, endpoints=cast(Endpoints, failing)))
    with pytest.raises(NotReadyError):
        deployment.deploy.fn(MODEL, STATUS.image, "prod")
    assert failing.served == [3, None]
