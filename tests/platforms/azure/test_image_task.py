"""Builds of images: one for each context, whatever happens while it runs."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from platforms.azure.image_task import ImageTask
from platforms.azure.images import AzureImages
from platforms.errors import PlatformError
from platforms.values import Image
from tests.emulator.blobs import Blobs
from tests.emulator.builds import BuildError, Builds
from tests.emulator.faults import Fault, Kind
from tests.emulator.images import ImageStore
from tests.emulator.world import World
from tests.platforms.azure.faulty import KINDS
from tests.platforms.azure.workspaces import Workspace
from tests.scoring_service.contexts import with_dockerfile, write_manifest


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
    assert "diabetes" in images.build(with_dockerfile(context, dockerfile), "diabetes", 1).name


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
