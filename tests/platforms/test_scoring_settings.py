from __future__ import annotations

import os

import pytest

from platforms.errors import PlatformError
from platforms.scoring_settings import PLATFORMS_OWN, handed_on, same, to_hand_on

LOGGED = {"SCORING_LOG_FAILURE": "degrade", "SCORING_LOG_REDACT": "age", "SCORING_LOG_SAMPLE": "0.5"}


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SCORING_")]:
        monkeypatch.delenv(name)


def test_what_the_environment_says_of_the_service_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert to_hand_on() == {}
    for name, value in reversed(LOGGED.items()):
        monkeypatch.setenv(name, value)
    assert list(to_hand_on().items()) == list(LOGGED.items())


@pytest.mark.parametrize("name", sorted(PLATFORMS_OWN))
def test_what_the_platform_says_itself_is_not(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "3")
    assert to_hand_on() == {}


def test_a_value_that_the_service_would_refuse_is_told_before_a_replica_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SCORING_LOG_SAMPLE", "half")
    with pytest.raises(PlatformError, match=r"SCORING_LOG_SAMPLE: .*`ridgeline up`"):
        to_hand_on()


def test_what_a_replica_was_given_is_found_in_its_own_environment() -> None:
    own = LOGGED | {"SCORING_PORT": "8080", "SCORING_OTLP_ENDPOINT": "", "PATH": "/bin"}
    assert handed_on(own) == LOGGED
    assert same(own, LOGGED | {"SCORING_PORT": "8080", "HOME": "/"})
    assert not same(own, LOGGED)
