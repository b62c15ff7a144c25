from __future__ import annotations

from pathlib import Path

import pytest

from platforms.platform import Platform
from platforms.values import TrainingJob
from recipes import catalog
from tasks import quality
from tasks.inspection import Inspection
from tests.recipes import examples
from tests.tasks.made import make_outputs
from training import outputs


def test_the_reference_is_the_champions_profile(platform: Platform, tmp_path: Path) -> None:
    assert quality.reference("diabetes") == (None, None)
    job, made = TrainingJob("diabetes-made", "diabetes", 1, {}), make_outputs(tmp_path / "made")
    platform.registry.record(job, made, {})
    version = platform.registry.register(job, made, {}).version
    assert quality.reference("diabetes") == (None, None)
    platform.registry.promote("diabetes", version, None)
    champion, profile = quality.reference("diabetes")
    assert champion == version
    assert profile is not None
    assert (profile.rows, set(profile.columns)) == (442, set(catalog.load("diabetes").columns))
    (platform.registry.outputs("diabetes", version) / outputs.PROFILE).unlink()
    assert quality.reference("diabetes") == (version, None)


def test_a_changed_blob_is_named(platform: Platform, tmp_path: Path) -> None:
    from platforms.errors import ConflictError

    old = platform.storage.write("landing/diabetes/x.csv", b"1")
    platform.storage.write("landing/diabetes/x.csv", b"2")
    with pytest.raises(ConflictError, match=r"landing/diabetes/x\.csv changed while it was read"):
        quality.check_batch.fn("diabetes", old, tmp_path)


def test_what_is_broken_has_no_spool_and_no_fingerprint(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    frame = examples.rows(20)
    frame.loc[3, "a"] = 7.0
    frame.to_csv(file, index=False)
    checked = Inspection(examples.recipe(), "x.csv", tmp_path / "spool", None).read(file)
    assert [finding.rows for finding in checked.broken] == [(4,)]
    assert (checked.rows, checked.spool, checked.fingerprint) == (20, None, None)
    assert checked.profile is not None
    assert checked.profile.columns["a"].maximum == 7.0
