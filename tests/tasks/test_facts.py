from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from platforms.platform import Platform
from platforms.protocols import Registry
from platforms.values import ModelVersion
from tasks import facts

MODELS = [ModelVersion("diabetes", version, {}) for version in (1, 2)]


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
