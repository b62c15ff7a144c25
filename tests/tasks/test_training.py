from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from platforms.platform import Platform
from platforms.values import DatasetVersion, Parameter, TrainingJob
from tasks import training
from tests.tasks.made import make_outputs

DATA = DatasetVersion("diabetes", 4, 60, "f")


@pytest.fixture
def job_of(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., TrainingJob]:
    """The job that a call of `train_candidate` runs."""
    folder = make_outputs(tmp_path / "job")
    compute = SimpleNamespace(run=lambda *_: folder)
    registry = SimpleNamespace(record=lambda *_: "http://page")
    monkeypatch.setattr(training, "current", lambda: SimpleNamespace(compute=compute, registry=registry))

    def run(parameters: dict[str, Parameter], automatic: bool, data: DatasetVersion = DATA) -> TrainingJob:
        return training.train_candidate.fn(data, parameters, automatic=automatic).job

    return run


def test_a_job_with_parameters_is_never_taken_for_the_one_of_its_dataset_version(
    job_of: Callable[..., TrainingJob],
) -> None:
    assert job_of({}, automatic=True).name == "diabetes-data-4"
    assert job_of({"alpha": 9.0}, automatic=True).name == job_of({}, automatic=False).name == "diabetes-local-data-4"


def test_a_run_that_is_tried_again_on_newer_data_trains_anew(job_of: Callable[..., TrainingJob]) -> None:
    newer = replace(DATA, version=5)
    assert job_of({}, automatic=False).name != job_of({}, automatic=False, data=newer).name
