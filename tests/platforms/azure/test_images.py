from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import pytest

from platforms.azure.build_source import archive
from platforms.azure.images import AzureImages
from platforms.azure.settings import AzureSettings
from platforms.errors import NotFoundError, PlatformError
from platforms.image_context import digest_of
from platforms.values import Image
from tests.emulator.builds import CONTAINER, Builds
from tests.emulator.faults import Fault, Kind
from tests.emulator.images import ImageStore
from tests.emulator.world import World
from tests.platforms.azure.faulty import KINDS
from tests.platforms.azure.workspaces import Workspace
from tests.scoring_service.contexts import with_dockerfile


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
        image = images.build(with_dockerfile(context, "FROM scratch\nCOPY . /app\n"), "diabetes", 1, lines.append)
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
