from __future__ import annotations

import json
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from platforms.errors import NotFoundError, PlatformError
from platforms.image_context import digest_of
from platforms.local.images import LocalImages
from platforms.settings import Settings
from platforms.values import Image
from tests.scoring_service.contexts import make_context, write_manifest


@pytest.fixture
def images(settings: Settings) -> LocalImages:
    return LocalImages(settings)


def bare_context(folder: Path, intercept: float = 1.0) -> Path:
    """A context that needs no packages, so that its environment is made at once."""
    return make_context(folder, intercept=intercept, packages=())


def test_an_image_is_named_by_version_and_digest(images: LocalImages, tmp_path: Path) -> None:
    context = bare_context(tmp_path / "context")
    image = images.build(context, "diabetes", 4)
    assert image == Image(f"diabetes:4-{image.digest[:12]}", digest_of(context))
    for known_as in (image.name, image.digest, image.reference):
        folder, python = images.locate(known_as)
        assert digest_of_files(folder) == digest_of_files(context)
        assert python.exists()


def digest_of_files(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_a_digest_is_built_once(images: LocalImages, tmp_path: Path) -> None:
    first = images.build(bare_context(tmp_path / "one"), "diabetes", 1)
    folder, python = images.locate(first.name)
    before = folder.stat().st_mtime_ns, python.parent.stat().st_mtime_ns
    second = images.build(bare_context(tmp_path / "two"), "diabetes", 2)
    assert second.digest == first.digest
    assert images.locate(second.name) == (folder, python)
    assert (folder.stat().st_mtime_ns, python.parent.stat().st_mtime_ns) == before
    other = images.build(bare_context(tmp_path / "three", intercept=2.0), "diabetes", 3)
    assert images.locate(other.name)[0] != folder
    assert images.locate(other.name)[1] == python


def test_an_image_that_was_deleted_by_hand_is_missed_and_made_again(images: LocalImages, tmp_path: Path) -> None:
    """As docs/operations.md says."""
    first = images.build(bare_context(tmp_path / "one"), "diabetes", 1)
    assert images.exists(first)
    assert not images.exists(Image("diabetes:1-0123456789ab", "0123456789ab" + "0" * 52))
    folder, _ = images.locate(first.name)
    shutil.rmtree(folder)
    assert not images.exists(first)
    assert images.build(bare_context(tmp_path / "two"), "diabetes", 1) == first
    assert images.locate(first.name)[0] == folder


def test_files_are_read_only_and_service_code_is_compiled(images: LocalImages, tmp_path: Path) -> None:
    folder, _ = images.locate(images.build(bare_context(tmp_path / "context"), "diabetes", 1).name)
    assert {file.stat().st_mode & 0o222 for file in folder.rglob("*") if file.is_file()} == {0}
    assert list((folder / "scoring_service" / "__pycache__").glob("server.*.pyc"))


def test_two_builders_at_once_give_one_image(settings: Settings, tmp_path: Path) -> None:
    contexts = [bare_context(tmp_path / str(index)) for index in range(4)]
    built: list[Image] = []
    threads = [
        threading.Thread(
            target=lambda folder=folder: built.append(LocalImages(settings).build(folder, "diabetes", 1))
        )
        for folder in contexts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 4
    assert len(set(built)) == 1
    assert [file.name for file in (settings.state_dir / "images" / "diabetes").iterdir()] == [built[0].digest[:12]]


def test_the_environment_has_exactly_the_images_packages(images: LocalImages, tmp_path: Path) -> None:
    context = make_context(tmp_path / "context", packages=("msgspec",))
    _, python = images.locate(images.build(context, "diabetes", 1).name)
    code = "import importlib.metadata as m; print(sorted(d.name for d in m.distributions()))"
    found = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "['msgspec']"


def test_a_half_made_environment_is_made_again(images: LocalImages, settings: Settings, tmp_path: Path) -> None:
    image = images.build(bare_context(tmp_path / "context"), "diabetes", 1)
    _, python = images.locate(image.name)
    (python.parent.parent / ".complete").unlink()
    python.unlink()
    assert images.locate(image.name)[1].exists()


def test_packages_that_do_not_exist_fail_with_the_reason(images: LocalImages, tmp_path: Path) -> None:
    context = bare_context(tmp_path / "context")
    requirements = tmp_path / "missing" / "wheel-1-py3-none-any.whl"
    (context / "requirements.txt").write_text(f"{requirements}\n")
    write_manifest(context)
    with pytest.raises(PlatformError, match=r"(?s)pip install .* failed with exit code .*wheel"):
        images.build(context, "diabetes", 1)


def test_a_context_that_is_not_its_manifest_is_refused(images: LocalImages, tmp_path: Path) -> None:
    context = bare_context(tmp_path / "context")
    (context / "notes.txt").write_text("x")
    with pytest.raises(PlatformError, match=r"notes\.txt.*are not in manifest"):
        images.build(context, "diabetes", 1)
    (context / "notes.txt").unlink()
    (context / "schema.json").write_text("{}")
    with pytest.raises(PlatformError, match=r"schema\.json has sha256"):
        images.build(context, "diabetes", 1)


@pytest.mark.parametrize("name", ["diabetes:1-0123456789ab", "x", "", "../../etc", "diabetes:1-*"])
def test_an_unknown_image_is_not_found(images: LocalImages, name: str) -> None:
    with pytest.raises(NotFoundError, match="there is no image"):
        images.locate(name)


@pytest.mark.parametrize("engine", ["docker", "buildah"])
def test_an_engine_builds_the_same_context(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    _fake(tmp_path / "bin", engine, 'echo "$@" > "$0.called"; echo step 1; echo step 2')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    images = LocalImages(settings.model_copy(update={"image_engine": engine}))
    lines: list[str] = []
    image = images.build(bare_context(tmp_path / "context"), "diabetes", 1, lines.append)
    assert lines == ["step 1", "step 2"]
    called = (tmp_path / "bin" / f"{engine}.called").read_text().split()
    verb = {"docker": "build", "buildah": "bud"}[engine]
    assert called == [verb, "--tag", image.name, str(images.locate(image.name)[0])]


def test_a_failing_engine_shows_its_last_lines(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fake(tmp_path / "bin", "docker", "echo no space left >&2; exit 3")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    images = LocalImages(settings.model_copy(update={"image_engine": "docker"}))
    with pytest.raises(PlatformError, match=r"(?s)exit code 3:.*no space left"):
        images.build(bare_context(tmp_path / "context"), "diabetes", 1)


def test_a_missing_engine_is_named(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    images = LocalImages(settings.model_copy(update={"image_engine": "buildah"}))
    with pytest.raises(PlatformError, match=r"buildah is not installed.*RIDGELINE_IMAGE_ENGINE"):
        images.build(bare_context(tmp_path / "context"), "diabetes", 1)


def _fake(folder: Path, name: str, script: str) -> None:
    folder.mkdir()
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_the_digest_is_over_names_and_contents(tmp_path: Path) -> None:
    context = bare_context(tmp_path / "context")
    digest = digest_of(context)
    manifest = json.loads((context / "manifest.json").read_text())
    (context / "manifest.json").write_text(json.dumps({"files": dict(reversed(manifest["files"].items()))}, indent=4))
    assert digest_of(context) == digest
