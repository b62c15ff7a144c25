from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from platforms.azure.build_source import archive
from platforms.azure.image_task import ImageTask
from platforms.azure.images import AzureImages
from platforms.azure.settings import AzureSettings
from platforms.errors import NotFoundError, PlatformError
from platforms.image_context import digest_of
from platforms.values import Image
from tests.emulator.blobs import Blobs
from tests.emulator.builds import CONTAINER, BuildError, Builds
from tests.emulator.faults import Fault, Kind
from tests.emulator.images import ImageStore
from tests.emulator.world import World
from tests.platforms.azure.faulty import KINDS
from tests.platforms.azure.workspaces import Workspace
from tests.scoring_service.contexts import make_context, write_manifest

TASKS = "/registries/"


@pytest.fixture
def images(workspace: Workspace) -> AzureImages:
    return AzureImages(workspace.settings, workspace.storage)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A context that no other test has."""
    folder = make_context(tmp_path / "context")
    (folder / "conda.yaml").write_text(f"name: {tmp_path.as_posix()}\n")
    write_manifest(folder)
    return folder


@pytest.fixture
def store(world: World) -> Iterator[ImageStore]:
    yield world.part(ImageStore)
    world.part(Blobs).expire(0)


def test_an_image_is_pulled_by_the_digest_of_its_manifest(
    images: AzureImages, store: ImageStore, context: Path
) -> None:
    lines: list[str] = []
    image = images.build(context, "diabetes", 4, lines.append)
    digest = digest_of(context)
    assert image == Image(f"diabetes:4-{digest[:12]}", digest)
    reference = images.pull_reference(image)
    assert reference.startswith("ridgelineoffline.azurecr.io/diabetes@sha256:")
    built = store.locate(reference)
    assert built
    assert digest_of(built) == digest
    assert lines[0] == "Downloading source code..."
    assert lines[-1].startswith("Run ID: ")
    assert any("Successfully pushed" in line for line in lines)


def test_a_context_is_built_once(images: AzureImages, store: ImageStore, context: Path) -> None:
    first = images.build(context, "diabetes", 1)
    before = list(store.pushes)
    second = images.build(context, "diabetes", 2)
    assert (second.name, second.digest) == (f"diabetes:2-{first.digest[:12]}", first.digest)
    assert store.pushes == before
    assert images.pull_reference(second) == images.pull_reference(first)


@pytest.mark.long
def test_a_build_whose_record_was_lost_is_found_again(
    images: AzureImages, store: ImageStore, context: Path, workspace: Workspace
) -> None:
    image = images.build(context, "diabetes", 1)
    reference = images.pull_reference(image)
    workspace.lose_record(image)
    with pytest.raises(NotFoundError, match="was never built in registry ridgelineoffline"):
        images.pull_reference(image)
    assert images.build(context, "diabetes", 1) == image
    assert images.pull_reference(image) == reference
    assert store.pushes.count(image.name) == 1


def test_an_upload_that_breaks_off_is_sent_again_soon(
    images: AzureImages, context: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK's own policy would wait for 15 seconds and more."""
    sleep = time.sleep
    waiting = Mock(side_effect=lambda seconds: sleep(min(seconds, 0.1)))
    monkeypatch.setattr(time, "sleep", waiting)
    broken = Fault("drop", f"/ridgelineoffline/{CONTAINER}/source/", times=2)
    with world.faults.on(broken):
        images.build(context, "diabetes", 1)
    assert broken.hits == 2
    assert max(call.args[0] for call in waiting.call_args_list) < 10


@pytest.mark.parametrize("recorded", [True, pytest.param(False, marks=pytest.mark.long)])
def test_an_image_that_was_purged_is_built_again(
    images: AzureImages, store: ImageStore, context: Path, workspace: Workspace, recorded: bool
) -> None:
    image = images.build(context, "diabetes", 1)
    if not recorded:
        workspace.lose_record(image)
    assert images.exists(image) is recorded
    store.purge(f"ridgelineoffline.azurecr.io/{image.name}")
    assert not images.exists(image)
    assert images.build(context, "diabetes", 1) == image
    assert store.locate(images.pull_reference(image))
    assert store.pushes.count(image.name) == 2


def test_a_registry_that_does_not_say_whether_it_has_an_image_is_named(
    workspace: Workspace, images: AzureImages, context: Path, world: World
) -> None:
    image = images.build(context, "diabetes", 1)
    hasty = AzureImages(workspace.settings.model_copy(update={"retries": 0}), workspace.storage)
    for fault in (Fault("error", "/v2/diabetes/", status=403), Fault("drop", "/oauth2/")):
        with world.faults.on(fault), pytest.raises(PlatformError, match=f"image {image.name} in registry ridgeline"):
            hasty.build(context, "diabetes", 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_question_about_the_manifest_is_asked_again(
    images: AzureImages, context: Path, store: ImageStore, world: World, kind: Kind
) -> None:
    image = images.build(context, "diabetes", 1)
    faults = [Fault(kind, path, times=2) for path in ("/oauth2/exchange", "/oauth2/token", "/v2/diabetes/")]
    with world.faults.on(*faults):
        images.build(context, "diabetes", 1)
    assert [fault.hits for fault in faults] == [2, 2, 2]
    assert store.pushes.count(image.name) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_while_building_makes_one_image(
    images: AzureImages, store: ImageStore, context: Path, world: World, kind: Kind
) -> None:
    with world.faults.on(
        Fault(kind, "/listBuildSourceUploadUrl", times=2),
        Fault(kind, "/tasks/", "PUT", times=2),
        Fault(kind, "/scheduleRun", times=2),
        Fault(kind, "/runs", "GET", times=2, skip=1),
        Fault(kind, "/listLogSasUrl", times=2),
    ):
        image = images.build(context, "diabetes", 1)
    assert store.pushes.count(image.name) == 1


def test_expired_addresses_are_asked_for_again(
    images: AzureImages, store: ImageStore, context: Path, world: World
) -> None:
    world.part(Blobs).expire(2)
    image = images.build(context, "diabetes", 1)
    assert store.pushes.count(image.name) == 1


def test_no_line_is_lost_when_the_address_of_the_log_has_expired(
    images: AzureImages, store: ImageStore, context: Path, world: World
) -> None:
    lines: list[str] = []

    def on_line(line: str) -> None:
        if not lines:
            world.part(Blobs).expire(1)
        lines.append(line)

    images.build(context, "diabetes", 1, on_line)
    assert lines[-1].startswith("Run ID: ")


def test_a_failed_build_tells_its_last_lines_and_can_be_tried_again(
    images: AzureImages, store: ImageStore, context: Path
) -> None:
    dockerfile = (context / "Dockerfile").read_text()
    (context / "Dockerfile").unlink()
    write_manifest(context)
    for _ in range(2):
        with pytest.raises(
            PlatformError, match=r"(?s)build of image diabetes:1-\w+ failed in run cf\d+ .*Dockerfile is not"
        ):
            images.build(context, "diabetes", 1)
    assert "diabetes" in images.build(_with(context, dockerfile), "diabetes", 1).name


def test_a_build_that_is_refused_is_told_and_can_be_tried_again(
    images: AzureImages, context: Path, world: World
) -> None:
    told = r"build of image diabetes:1-\w+ in registry ridgelineoffline: 403 .*roles"
    with world.faults.on(Fault("error", "/scheduleRun", status=403)), pytest.raises(PlatformError, match=told):
        images.build(context, "diabetes", 1)
    assert images.pull_reference(images.build(context, "diabetes", 1))


def test_a_build_after_one_that_failed_is_begun_once_although_its_answer_is_lost(
    images: AzureImages, context: Path, store: ImageStore, world: World
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.part(Builds), "_build", _refuse)
        with pytest.raises(PlatformError, match="no disk left"):
            images.build(context, "diabetes", 1)
    lost = Fault("drop-answer", "/scheduleRun")
    with world.faults.on(lost):
        image = images.build(context, "diabetes", 1)
    assert lost.hits == 1
    assert store.pushes.count(image.name) == 1


def test_a_build_that_takes_too_long_is_told_and_attached_to(
    workspace: Workspace, images: AzureImages, store: ImageStore, context: Path, world: World
) -> None:
    builds, go = world.part(Builds), threading.Event()
    build = builds._build
    hasty = AzureImages(workspace.settings.model_copy(update={"build_timeout": 0.3}), workspace.storage)

    def wait_and_build(*arguments: Any) -> list[dict[str, str]]:
        go.wait(20)
        return build(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builds, "_build", wait_and_build)
        with pytest.raises(PlatformError, match=r"not over after 0.3 s .*BUILD_TIMEOUT.* is Running.*--run-id cf\d+"):
            hasty.build(context, "diabetes", 1)
        go.set()
        image = images.build(context, "diabetes", 1)
    assert store.pushes.count(image.name) == 1


def test_a_run_that_does_not_tell_when_it_was_made_is_the_newest(images: AzureImages) -> None:
    from azure.mgmt.containerregistrytasks.models import Run, RunProperties

    queued, done = Run(properties=RunProperties(run_id="cf2")), Run(properties=RunProperties(run_id="cf1"))
    done.properties.create_time = datetime(2026, 1, 1, tzinfo=UTC)
    client = Mock()
    client.runs.list.return_value = [done, queued]
    newest = ImageTask(images._settings, client, Image("diabetes:1-abc", "abc")).newest_run()
    assert newest is queued
    assert client.runs.list.call_args.kwargs == {"filter": "TaskName eq 'diabetes-abc'"}


def _refuse(*arguments: object) -> None:
    raise BuildError("no disk left")


def _with(context: Path, dockerfile: str) -> Path:
    (context / "Dockerfile").write_text(dockerfile)
    write_manifest(context)
    return context


def test_a_context_that_is_not_its_manifest_is_refused(images: AzureImages, context: Path) -> None:
    (context / "notes.txt").write_text("x")
    with pytest.raises(PlatformError, match=r"notes\.txt.*are not in manifest"):
        images.build(context, "diabetes", 1)


def test_equal_files_give_equal_archives(context: Path) -> None:
    first = archive(context)
    for file in context.rglob("*"):
        file.touch()
    assert archive(context) == first


def test_two_builders_at_once_give_one_image(images: AzureImages, azure: AzureSettings, context: Path) -> None:
    image = images.build(context, "diabetes", 1)
    with ThreadPoolExecutor(4) as pool:
        built = list(pool.map(lambda _: images.build(context, "diabetes", 1), range(4)))
    assert set(built) == {image}


def test_the_record_is_what_people_can_read(images: AzureImages, context: Path, workspace: Workspace) -> None:
    image = images.build(context, "diabetes", 1)
    with workspace.storage.open(f"images/diabetes/{image.digest}.json") as record:
        assert json.loads(record.read())["image"] == image.reference


@pytest.mark.long
@pytest.mark.skipif(
    not (shutil.which("buildah") or os.environ.get("CI")),
    reason="buildah is not installed: scripts/install-test-packages",
)
def test_buildah_makes_a_real_image(images: AzureImages, world: World, store: ImageStore, context: Path) -> None:
    builds = world.part(Builds)
    builds.engine = "buildah"
    lines: list[str] = []
    try:
        image = images.build(_with(context, "FROM scratch\nCOPY . /app\n"), "diabetes", 1, lines.append)
    finally:
        builds.engine = "unpack"
    reference = images.pull_reference(image)
    built = store.locate(reference)
    assert built
    manifest = json.loads((built.with_suffix(".image") / "manifest.json").read_bytes())
    assert manifest["schemaVersion"] == 2
    assert len(manifest["layers"]) == 1
    assert (
        f"sha256:{hashlib.sha256((built.with_suffix('.image') / 'manifest.json').read_bytes()).hexdigest()}"
        in reference
    )
    assert any("COPY . /app" in line for line in lines)
