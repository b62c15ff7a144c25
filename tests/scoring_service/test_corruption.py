"""One flipped bit anywhere in an image, and the service does not become ready but says which file it is."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from scoring_service import __main__ as service
from scoring_service.context import Context, ContextError
from tests.scoring_service.contexts import make_context, write_manifest
from tests.scoring_service.flats import make_flats

FLIPS = 40


@pytest.fixture(scope="module", params=["weights", "onnx", "skops"])
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images") / "image"
    if request.param == "onnx":
        return make_flats(folder)
    return make_context(folder, request.param)


def flip(file: Path, chance: random.Random) -> bytes:
    """Flip one bit of the file; returns what it was."""
    before = file.read_bytes()
    changed = bytearray(before)
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    file.write_bytes(changed)
    return before


def test_a_flipped_bit_is_found_and_its_file_named(image: Path) -> None:
    chance = random.Random(7)
    files = sorted((image / "model").iterdir())
    others = [file for file in image.rglob("*") if file.is_file() and file not in files]
    for file in [*files * 10, *chance.sample([each for each in others if each.name != "manifest.json"], 10)]:
        before = flip(file, chance)
        with pytest.raises(ContextError, match=str(file.relative_to(image)).replace(".", r"\.")):
            Context.load(image)
        file.write_bytes(before)
    Context.load(image)


def test_a_flipped_bit_in_the_manifest_is_found(image: Path) -> None:
    chance, manifest = random.Random(8), image / "manifest.json"
    for _ in range(FLIPS):
        before = flip(manifest, chance)
        with pytest.raises(ContextError, match=r"manifest\.json"):
            Context.load(image)
        manifest.write_bytes(before)


def test_the_service_does_not_start_and_says_which_file(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "keys").write_text("default secret\n")
    monkeypatch.setenv("SCORING_KEYS_FILE", str(tmp_path / "keys"))
    monkeypatch.setenv("SCORING_CONTEXT", str(image))
    monkeypatch.setenv("SCORING_PORT", "0")
    file = sorted((image / "model").iterdir())[-1]
    before = flip(file, random.Random(9))
    assert service.main() == 1
    file.write_bytes(before)
    assert f"model/{file.name} has sha256" in capsys.readouterr().err


def test_data_beside_a_graph_is_verified_too(tmp_path: Path) -> None:
    image = make_flats(tmp_path / "image")
    (image / "model" / "tensors.data").write_bytes(b"\0" * 64)
    with pytest.raises(ContextError, match=r"model/tensors\.data is not in manifest\.json"):
        Context.load(image)
    write_manifest(image)
    Context.load(image)
    flip(image / "model" / "tensors.data", random.Random(1))
    with pytest.raises(ContextError, match=r"model/tensors\.data has sha256"):
        Context.load(image)


def test_a_graph_cannot_lead_to_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np
    import onnx

    from scoring_service.model import ModelError, load_model

    matrix = onnx.numpy_helper.from_array(np.ones((10, 1)), "w")
    node = onnx.helper.make_node("MatMul", ["input", "w"], ["y"])
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, [None, n])
        for name, n in (("input", 10), ("y", 1))
    ]
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "g", ends[:1], ends[1:], [matrix]),
        opset_imports=[onnx.helper.make_opsetid("", 18)],
        ir_version=9,
    )
    folder = tmp_path / "model"
    folder.mkdir()
    onnx.save(model, folder / "model.onnx", save_as_external_data=True, location="tensors.data", size_threshold=0)
    (folder / "form.json").write_text('{"form": "onnx"}')
    load_model(folder, ["a"] * 10)
    shutil.move(folder / "tensors.data", tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"model\.onnx cannot be loaded"):
        load_model(folder, ["a"] * 10)
