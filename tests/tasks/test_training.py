from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from platforms.platform import Platform
from platforms.values import DatasetVersion, Parameter, TrainingJob
from tasks import lineage, revision, training
from tests.tasks.made import make_outputs
from training import outputs

DATA = DatasetVersion("diabetes", 4, 60, "f")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The outputs of the job."""
    return make_outputs(tmp_path / "job")


@pytest.fixture
def job_of(platform: Platform, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., TrainingJob]:
    """The job that a call of `train_candidate` runs."""
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


def test_a_job_is_told_what_it_runs_with(job_of: Callable[..., TrainingJob], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revision, "commit", lambda: None)
    monkeypatch.setattr(revision, "tree_state", lambda: "dirty")
    digest = hashlib.sha256(lineage.LOCK_FILE.read_bytes()).hexdigest()
    assert job_of({}, automatic=True).code == {
        "git_commit": "unknown",
        "git_tree": "dirty",
        "environment_lock": digest,
    }


@pytest.mark.parametrize("noted", [{"git_commit": "c0ffee", "git_tree": "clean", "environment_lock": "abc"}, {}])
def test_a_model_of_a_job_that_was_taken_over_names_the_code_that_the_job_ran_with(
    job_of: Callable[..., TrainingJob], folder: Path, noted: dict[str, str]
) -> None:
    """The second one is a job of a time before jobs noted it."""
    result = json.loads((folder / outputs.RESULT).read_text())
    (folder / outputs.RESULT).write_text(json.dumps(result | ({"code": noted} if noted else {})))
    tags = training.train_candidate.fn(DATA, automatic=True).tags
    assert {name: tags[name] for name in lineage.CODE} == (noted or dict.fromkeys(lineage.CODE, "unknown"))
