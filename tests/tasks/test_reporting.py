from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from prefect.client.schemas.actions import ArtifactCreate

from platforms.platform import Platform
from platforms.settings import Settings
from platforms.values import Blob, DatasetVersion, EndpointStatus, Image, ModelVersion, TrainingJob
from recipes.findings import Finding
from recipes.profile import Bins, ColumnProfile, Profile
from tasks import reporting
from tasks.evaluation import Comparison, Verdict
from tasks.inspection import Checked
from tasks.quality import Outcome
from tasks.training import Candidate
from tests.tasks.made import make_outputs, read_profile
from training import outputs, plots

RECIPE = "wine_quality"
COMPARISON = Comparison(1, 3.0, 1.0, 0.5, 1.5)


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of all artifacts, each seen by Prefect's own rules."""
    found: list[str] = []

    def create(*_: object, key: str, **__: object) -> None:
        found.append(str(ArtifactCreate(key=key).key))

    for name in ("create_table_artifact", "create_image_artifact", "create_markdown_artifact"):
        monkeypatch.setattr(reporting, name, create)
    return found


def test_prefect_takes_the_artifacts_of_a_recipe_with_an_underscore(
    platform: Platform, tmp_path: Path, keys: list[str]
) -> None:
    folder = make_outputs(tmp_path / "job")
    (folder / outputs.PLOTS / "residuals.png").write_bytes(b"")
    model = ModelVersion(RECIPE, 1, {"flow_run": "a run", "dataset_version": "1"})
    candidate = Candidate(TrainingJob("job", RECIPE, 1, {}), folder, {}, {}, None, "http://page")
    refused = Outcome("Quarantined", 60, (Finding("age", (1,), 1, "must not be empty"),), "age is empty")
    status = EndpointStatus(RECIPE, "qa", "http://qa", 1, Image("wine_quality:1-a", "a" * 64), True)
    verdict = Verdict("promote", "better", "mse", 1.0, COMPARISON, 0.9, 0.0, 60, 1, "f", 0)
    reporting.report_validation.fn(
        RECIPE, Blob("x.csv", 1, "e"), Checked(60, (), profile=read_profile(folder)), refused
    )
    reporting.report_training.fn(candidate)
    reporting.report_verdict.fn(RECIPE, verdict)
    reporting.report_model.fn(model, candidate)
    reporting.report_release.fn(model, [status])
    assert sorted(keys) == [
        f"wine-quality-{what}"
        for what in (
            "model",
            "quarantine",
            "release",
            "residuals",
            "validation",
            "validation-plot",
            "verdict",
            "verdict-plot",
        )
    ]


def test_dollars_in_names_are_no_formula(platform: Platform, tmp_path: Path, keys: list[str]) -> None:
    name = "paid_$_of_$_due"
    column = ColumnProfile(name, Bins((1.0,)), (3, 4), 0, 0.0, 2.0)
    outcome = Outcome("Accepted", 7, (), "7 rows")
    checked = Checked(7, (), profile=Profile(7, {name: column}))
    reporting.report_validation.fn(RECIPE, Blob("x.csv", 1, "e"), checked, outcome)
    reporting.report_verdict.fn(RECIPE, Verdict("promote", "better", name, 1.0, COMPARISON, 0.9, 0.0, 60, 1, "f", 0))
    plots.write(tmp_path, name, np.array([1.0, 2.0]), np.array([1.5, 2.5]))
    assert sorted(file.name for file in tmp_path.glob("*.png")) == ["predicted.png", "residuals.png"]
    assert len(keys) == 4


def test_telemetry_hears_of_each_batch_once(
    platform: Platform, settings: Settings, monkeypatch: pytest.MonkeyPatch, keys: list[str]
) -> None:
    monkeypatch.setattr(reporting, "emit_event", Mock())
    blob = Blob("landing/diabetes/x.csv", 1, "e")
    reporting.announce_data.fn(DatasetVersion("diabetes", 1, 40, "f"))
    reporting.report_validation.fn("diabetes", blob, Checked(40, ()), Outcome("Accepted", 40, (), "40 rows"))
    reporting.report_validation.fn("diabetes", blob, Checked(7, ()), Outcome("Duplicate", 7, (), "known"))
    lines = map(json.loads, (settings.state_dir / "telemetry.jsonl").read_text().splitlines())
    assert [(line["name"], line["fields"]) for line in lines] == [
        ("ridgeline.data.accepted", {"recipe": "diabetes", "dataset_version": 1}),
        ("ridgeline.data.duplicate", {"recipe": "diabetes", "path": blob.path, "rows": 7}),
    ]
