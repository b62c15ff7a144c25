from __future__ import annotations

import json
from pathlib import Path

import pytest

from platforms.errors import ConflictError, NotFoundError
from platforms.protocols import Registry
from platforms.values import TrainingJob


def job(name: str, version: int = 1) -> TrainingJob:
    return TrainingJob(name, "r", version, {})


def outputs(folder: Path) -> Path:
    """What a training job leaves behind, as far as a registry looks at it."""
    for part in ("model", "plots"):
        (folder / part).mkdir(parents=True)
        (folder / part / "file").write_text(part)
    (folder / "metrics.json").write_text(json.dumps({"mse": 2.5, "mae": 1.0}))
    (folder / "result.json").write_text('{"parameters": {"alpha": 0.4}}')
    return folder


class RegistryContract:
    """Needs a fixture `registry` that starts empty."""

    def test_a_job_is_registered_once(self, registry: Registry, tmp_path: Path) -> None:
        folder = outputs(tmp_path / "o")
        first = registry.register(job("r-1"), folder, {"git": "abc"})
        assert registry.register(job("r-1"), folder, {"git": "other"}) == first
        second = registry.register(job("r-2", 7), folder, {})
        assert (first.version, second.version) == (1, 2)
        assert first.tags["git"] == "abc"
        assert registry.versions("r") == [first, second]
        assert registry.get("r", 2) == second
        assert registry.versions("other") == []

    def test_outputs_outlive_the_job(self, registry: Registry, tmp_path: Path) -> None:
        folder = outputs(tmp_path / "o")
        registry.register(job("r-1"), folder, {})
        (folder / "model" / "file").unlink()
        assert (registry.outputs("r", 1) / "model" / "file").read_text() == "model"

    def test_the_champion_moves_by_compare_and_set(self, registry: Registry, tmp_path: Path) -> None:
        folder = outputs(tmp_path / "o")
        assert registry.champion("r") is None
        for name in ("r-1", "r-2"):
            registry.register(job(name), folder, {})
        with pytest.raises(ConflictError, match="champion of 'r' is version None, not 2"):
            registry.promote("r", 1, expected=2)
        registry.promote("r", 1, expected=None)
        with pytest.raises(ConflictError, match="is version 1, not None"):
            registry.promote("r", 2, expected=None)
        registry.promote("r", 2, expected=1)
        registry.promote("r", 2, expected=1)
        assert registry.champion("r") == registry.get("r", 2)

    def test_what_is_not_there_is_named(self, registry: Registry) -> None:
        for call in (registry.get, registry.outputs):
            with pytest.raises(NotFoundError, match="no version 3 of model 'r'"):
                call("r", 3)
        with pytest.raises(NotFoundError, match="no version 3 of model 'r'"):
            registry.promote("r", 3, None)

    def test_a_run_is_recorded_once(self, registry: Registry, tmp_path: Path) -> None:
        folder = outputs(tmp_path / "o")
        first = registry.record(job("r-1"), folder, {"flow_run": "f"})
        assert registry.record(job("r-1"), folder, {"flow_run": "f"}) == first
        assert registry.record(job("r-2"), folder, {}) != first
