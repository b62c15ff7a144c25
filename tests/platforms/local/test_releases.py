from __future__ import annotations

import pytest

from platforms.errors import PlatformError
from platforms.local import releases
from platforms.platform import Platform
from platforms.settings import Settings
from platforms.values import Environment, Image

IMAGES = [Image(f"diabetes:{version}-abc", f"{version}" * 64) for version in range(4)]


def release(platform: Platform, version: int, environment: Environment, action: str = "released") -> None:
    platform.journal.append(
        "diabetes",
        action,
        reason="tested",
        flow_run=f"{action}-{version}-{environment}",
        model_version=version,
        environment=environment,
        image=IMAGES[version].reference,
    )


def test_the_newest_release_of_each_environment_counts(platform: Platform, settings: Settings) -> None:
    release(platform, 1, "qa")
    release(platform, 1, "prod")
    release(platform, 2, "qa")
    release(platform, 3, "prod", action="rejected")
    platform.journal.append("diabetes", "promoted", reason="better", flow_run="gate", model_version=3)
    specs = {spec.environment: spec for spec in releases.recorded(settings)}
    assert {name: (spec.model_version, spec.image) for name, spec in specs.items()} == {
        "qa": (2, IMAGES[2]),
        "prod": (1, IMAGES[1]),
    }


def test_what_was_withdrawn_is_not_served_until_its_next_release(platform: Platform, settings: Settings) -> None:
    release(platform, 1, "qa")
    release(platform, 1, "prod")
    release(platform, 1, "qa", action="withdrawn")
    assert [spec.environment for spec in releases.recorded(settings)] == ["prod"]
    release(platform, 2, "qa")
    assert {spec.environment for spec in releases.recorded(settings)} == {"qa", "prod"}


def test_without_a_journal_nothing_is_served(settings: Settings) -> None:
    assert releases.recorded(settings) == []


def test_a_changed_journal_is_not_believed(platform: Platform, settings: Settings) -> None:
    release(platform, 1, "prod")
    file = next((settings.state_dir / "journal").glob("*.jsonl"))
    file.write_text(file.read_text().replace("tested", "forged"))
    with pytest.raises(PlatformError):
        releases.recorded(settings)
