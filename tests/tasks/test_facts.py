from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from platforms.platform import Platform
from platforms.protocols import Registry
from platforms.values import ModelVersion
from tasks import facts

MODELS = [ModelVersion("diabetes", version, {}) for version in (1, 2)]


class Registered:
    """A registry of versions none of which is in production."""

    def __init__(self, count: int) -> None:
        self._models = [ModelVersion("diabetes", version, {}) for version in range(1, count + 1)]

    def champion(self, recipe: str) -> None:
        return None

    def versions(self, recipe: str) -> list[ModelVersion]:
        return self._models


@pytest.mark.parametrize(
    ("concluded", "unreleased", "newest"),
    [
        ({}, [1, 2, 3], 3),
        ({2: "superseded"}, [1, 3], 3),
        ({2: "superseded", 3: "rejected in qa"}, [1, 2], 2),
        ({1: "superseded", 2: "superseded", 3: "rejected"}, [2], 2),
        ({1: "superseded", 2: "rejected in prod", 3: "rejected in qa"}, [1], 1),
        ({1: "rejected", 2: "rejected", 3: "rejected in qa"}, [], None),
        ({2: "superseded", 3: "released, rejected in qa"}, [1], 3),
    ],
)
def test_a_version_that_gave_way_to_one_that_failed_is_to_be_released_again(
    platform: Platform,
    monkeypatch: pytest.MonkeyPatch,
    concluded: dict[int, str],
    unreleased: list[int],
    newest: int | None,
) -> None:
    registered = replace(platform, registry=cast(Registry, Registered(3)))
    monkeypatch.setattr(facts, "current", lambda: registered)
    for version, actions in concluded.items():
        for action in actions.split(", "):
            platform.journal.append(
                "diabetes", action, reason="r", flow_run="f", model_version=version, environment="prod"
            )
    assert [model.version for model in facts.unreleased("diabetes")] == unreleased
    found = facts.newest_standing("diabetes")
    assert (found.version if found else None) == newest


class Pointed:
    """A registry of two versions whose champion is the first."""

    def champion(self, recipe: str) -> ModelVersion:
        return MODELS[0]

    def versions(self, recipe: str) -> list[ModelVersion]:
        return MODELS


def test_a_champion_of_before_that_came_back_is_released_when_the_journal_says_it_again(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person released version 1 again by force, and the run was killed when the champion had moved."""
    monkeypatch.setattr(facts, "current", lambda: replace(platform, registry=cast(Registry, Pointed())))

    def release(version: int, run: str) -> None:
        platform.journal.append(
            "diabetes",
            "released",
            reason="passed",
            flow_run=run,
            model_version=version,
            environment="prod",
            image=f"diabetes:{version}-a@sha256:{version}",
        )

    release(1, "first")
    release(2, "second")
    assert not facts.is_released(MODELS[0])
    assert facts.unreleased("diabetes") == [MODELS[0]]
    release(1, "third")
    assert facts.is_released(MODELS[0])
    assert facts.unreleased("diabetes") == []
