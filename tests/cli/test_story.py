from __future__ import annotations

import pytest

from cli import story
from cli.chain import Stage
from platforms.platform import Platform
from platforms.settings import Settings

NUMBERS = {
    "decision": "promote",
    "metric": "mse",
    "candidate": 2857.23,
    "champion": 3546.6,
    "champion_version": 1,
    "improvement": 689.5,
    "confidence": 0.9,
    "lower_bound": 400.4,
    "upper_bound": 985.6,
}


def test_the_demo_begins_with_nothing(platform: Platform, settings: Settings) -> None:
    platform.journal.append("diabetes", "rejected", reason="worse", flow_run="f")
    with pytest.raises(story.StoryError, match=r"begins with nothing.*`ridgeline up`"):
        story.play(settings, print)


def test_a_chapter_that_ends_otherwise_ends_the_demo() -> None:
    with pytest.raises(story.StoryError, match="release ended rejected in qa, expected released: it differs"):
        story._expect("released", [Stage("release", "rejected in qa", "it differs")])


def test_verdicts_are_told_with_their_numbers(platform: Platform) -> None:
    append = platform.journal.append
    first = NUMBERS | {"champion": None, "candidate": 4453.0}
    append("diabetes", "registered", reason="first model", flow_run="a", model_version=1, details=first)
    append("diabetes", "registered", reason="better", flow_run="b", model_version=2, details=NUMBERS)
    append("diabetes", "released", reason="passed", flow_run="c", model_version=2, environment="prod")
    append("diabetes", "rejected", reason="worse", flow_run="d", details=NUMBERS)
    numbers = "mse 2857.2 against 3546.6 of champion 1; improvement 689.5, 90% bounds [400.4, 985.6]"
    assert [*story._decisions()] == [
        "registered   version 1: mse 4453.0 (first model)",
        f"registered   version 2: {numbers} (better)",
        f"rejected     candidate: {numbers} (worse)",
    ]
