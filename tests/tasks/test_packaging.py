from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import yaml

from platforms.platform import Platform
from platforms.protocols import ImageBuilder, Registry
from platforms.values import EndpointStatus, Environment, Image, ModelVersion
from tasks import deployment, packaging
from tasks.packaging import MANIFEST, assemble
from tests.tasks.made import RECIPE, make_outputs

TODAYS = Image("diabetes:1-b", "b" * 64)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    assemble(folder, RECIPE, make_outputs(tmp_path / "job"))
    return folder


def test_the_manifest_names_every_file_with_its_digest(context: Path) -> None:
    listed = json.loads((context / MANIFEST).read_text())["files"]
    files = {str(file.relative_to(context)) for file in context.rglob("*") if file.is_file()} - {MANIFEST}
    assert set(listed) == files
    assert all(hashlib.sha256((context / name).read_bytes()).hexdigest() == digest for name, digest in listed.items())


class Built:
    """An image builder that has one image, and builds another one."""

    def __init__(self, *there: Image) -> None:
        self.there = there

    def exists(self, image: Image) -> bool:
        return image in self.there

    def build(self, context: Path, recipe: str, model_version: int, on_line: object) -> Image:
        return TODAYS


@pytest.mark.parametrize(
    ("version", "there", "anew", "expected"),
    [(1, True, False, "then"), (1, True, True, "now"), (1, False, False, "now"), (2, True, False, "now")],
)
def test_a_version_comes_back_by_the_image_that_was_in_production(
    platform: Platform,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: int,
    there: bool,
    anew: bool,
    expected: str,
) -> None:
    """Version 1 was in production; version 2 only passed its tests in qa."""
    then = Image("diabetes:1-a", "a" * 64)
    for number, environment in ((1, "qa"), (1, "prod"), (2, "qa")):
        status = EndpointStatus(RECIPE, cast(Environment, environment), "http://it", number, then, True)
        deployment.record_release.fn(ModelVersion(RECIPE, number, {}), status, "passed")
    job = make_outputs(tmp_path / "job")
    registry = cast(Registry, SimpleNamespace(outputs=lambda recipe, number: job))
    images = cast(ImageBuilder, Built(*[then] * there))
    monkeypatch.setattr(packaging, "current", lambda: replace(platform, images=images, registry=registry))
    built = packaging.build_image.fn(ModelVersion(RECIPE, version, {}), anew)
    assert built == {"then": then, "now": TODAYS}[expected]


def test_the_same_model_gives_the_same_bytes(context: Path, tmp_path: Path) -> None:
    assemble(tmp_path / "again", RECIPE, tmp_path / "job")
    assert (tmp_path / "again" / MANIFEST).read_bytes() == (context / MANIFEST).read_bytes()


def test_another_model_gives_another_manifest(context: Path, tmp_path: Path) -> None:
    assemble(tmp_path / "other", RECIPE, make_outputs(tmp_path / "other-job", shift=1.0))
    assert (tmp_path / "other" / MANIFEST).read_bytes() != (context / MANIFEST).read_bytes()


def test_the_environment_is_exact_and_nothing_but_what_is_imported(context: Path) -> None:
    pins = (context / "requirements.txt").read_text().split()
    assert pins == [f"{name}=={version(name)}" for name in ("httptools", "msgspec", "numpy", "uvloop")]
    dependencies = yaml.safe_load((context / "conda.yaml").read_text())["dependencies"]
    assert dependencies[-1] == {"pip": pins}


def test_dependencies_of_the_model_come_along(tmp_path: Path) -> None:
    job = make_outputs(tmp_path / "job")
    result = json.loads((job / "result.json").read_text()) | {"requirements": ["scikit-learn==1", "skops==1"]}
    (job / "result.json").write_text(json.dumps(result))
    assemble(tmp_path / "context", RECIPE, job)
    names = {pin.split("==")[0] for pin in (tmp_path / "context" / "requirements.txt").read_text().split()}
    assert {"scikit-learn", "scipy", "joblib", "skops", "uvloop"} <= names
    assert "pandas" not in names


def test_the_image_runs_without_root(context: Path) -> None:
    dockerfile = (context / "Dockerfile").read_text()
    assert "-slim" in dockerfile
    assert "USER 10001" in dockerfile
    assert "$" not in dockerfile


def test_the_schema_tells_the_service_what_it_needs_of_the_recipe(context: Path) -> None:
    schema = json.loads((context / "schema.json").read_text())
    assert [feature["name"] for feature in schema["features"]][:3] == ["age", "sex", "bmi"]
    assert schema["features"][0]["maximum"] == 0.3
