from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring_service.context import Context, ContextError, Manifest
from scoring_service.schema import SchemaError
from tests.scoring_service.contexts import NAMES, make_context, write_json, write_manifest


def test_loads_what_was_built(context: Path) -> None:
    loaded = Context.load(context)
    assert loaded.schema.names == list(NAMES)
    assert loaded.schema.recipe == "diabetes"
    assert loaded.model.metadata() == {"form": "weights"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_flipped_bit_anywhere_is_refused_by_name(context: Path, data: st.DataObject) -> None:
    manifest = Manifest.read(context)
    path = data.draw(st.sampled_from([name for name in sorted(manifest.files) if (context / name).stat().st_size]))
    original = (context / path).read_bytes()
    changed = bytearray(original)
    changed[data.draw(st.integers(0, len(original) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (context / path).write_bytes(changed)
    try:
        with pytest.raises(ContextError, match=path):
            Context.load(context)
    finally:
        (context / path).write_bytes(original)


def _remove(folder: Path) -> None:
    (folder / "model" / "weights.json").unlink()


def _add(folder: Path) -> None:
    (folder / "model" / "extra.bin").write_bytes(b"x")


def _escape(folder: Path) -> None:
    write_json(folder / "manifest.json", {"files": {"../other": "0", "schema.json": "0"}})


def _omit_schema(folder: Path) -> None:
    files = json.loads((folder / "manifest.json").read_text())["files"]
    del files["schema.json"]
    write_json(folder / "manifest.json", {"files": files})


def _omit_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (_remove, "model/weights.json is in manifest.json, but cannot be read"),
        (_add, "model/extra.bin is not in manifest.json"),
        (_escape, "outside of the context"),
        (_omit_schema, "schema.json is not in manifest.json"),
        (_omit_manifest, "manifest.json in .* cannot be read"),
    ],
)
def test_a_folder_that_is_not_its_manifest_is_refused(
    tmp_path: Path, spoil: Callable[[Path], None], named: str
) -> None:
    folder = make_context(tmp_path / "context")
    spoil(folder)
    with pytest.raises(ContextError, match=named):
        Context.load(folder)


@pytest.mark.parametrize(
    "schema",
    [
        {"recipe": "r", "target": "y", "features": []},
        {"recipe": "r", "target": "y", "features": [{"name": "a", "type": "number"}] * 2},
        {"recipe": "r", "target": "y", "features": [{"name": "a", "type": "date"}]},
        {"target": "y"},
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(tmp_path: Path, schema: object) -> None:
    folder = make_context(tmp_path / "context")
    write_json(folder / "schema.json", schema)
    write_manifest(folder)
    with pytest.raises(SchemaError, match=r"schema\.json"):
        Context.load(folder)
