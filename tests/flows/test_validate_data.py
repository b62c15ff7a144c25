from __future__ import annotations

import io
import json
from pathlib import Path
from typing import NoReturn
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

from flows.validate_data import validate_data
from platforms.errors import NotFoundError
from platforms.platform import Platform
from recipes import catalog
from recipes.profile import Profile
from tasks import areas, data, inspection, quality, reporting
from tests.flows.conftest import Land, content, seed_csv


@pytest.fixture(autouse=True)
def no_champion(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing to compare with; asking the registry takes seconds in a fresh folder."""
    monkeypatch.setattr(quality, "reference", lambda recipe: (None, None))


@pytest.fixture
def champion(monkeypatch: pytest.MonkeyPatch, no_champion: None) -> int:
    """A model in production that was made from all of the seed data."""
    recipe = catalog.load("diabetes")
    profile = Profile.of(recipe, pa.RecordBatch.from_pandas(recipe.seed_data(), preserve_index=False))
    monkeypatch.setattr(quality, "reference", lambda recipe: (7, profile))
    return 7


def die_after(patch: pytest.MonkeyPatch, step: str) -> None:
    """Let a run end between `step` and the next one."""
    [module] = [module for module in (data, quality, reporting) if hasattr(module, step)]
    done = getattr(module, step)

    def step_and_die(*arguments: object, **named: object) -> NoReturn:
        done(*arguments, **named)
        raise RuntimeError("killed")

    patch.setattr(module, step, step_and_die)


def test_a_good_batch_is_accepted_once(loop_platform: Platform, landed: Land) -> None:
    path = landed("first batch.csv", seed_csv(slice(120)))
    state = validate_data(path, return_state=True)
    version = loop_platform.datasets.version("diabetes")
    assert (state.name, version.rows) == ("Accepted", 120)
    assert state.message == f"dataset version {version.version} with 120 rows"
    assert loop_platform.storage.list("landing/") == []
    names = [blob.path.rsplit("/", 1)[1] for blob in loop_platform.storage.list("accepted/")]
    assert names == ["first batch.csv", "first batch.csv.report.json"]


@pytest.mark.long
def test_a_second_batch_is_a_second_version(loop_platform: Platform, landed: Land) -> None:
    validate_data(landed("a.csv", seed_csv(slice(120))), return_state=True)
    first = loop_platform.datasets.version("diabetes")
    validate_data(landed("b.csv", seed_csv(slice(120, None))), return_state=True)
    second = loop_platform.datasets.version("diabetes")
    assert (second.version - first.version, second.rows) == (1, 442)
    assert second.fingerprint != first.fingerprint


def test_a_bad_batch_goes_to_quarantine_with_its_report(loop_platform: Platform, landed: Land) -> None:
    lines = seed_csv(slice(50)).decode().splitlines()
    lines[3] = "99" + lines[3][lines[3].index(",") :]
    state = validate_data(landed("bad.csv", "\n".join(lines).encode()), return_state=True)
    assert state.name == "Quarantined"
    assert "'age'" in str(state.message)
    quarantined = {blob.path.rsplit("/", 1)[1]: blob.path for blob in loop_platform.storage.list("quarantine/")}
    assert set(quarantined) == {"bad.csv", "bad.csv.report.json"}
    report = json.loads(content(loop_platform, quarantined["bad.csv.report.json"]))
    assert report["findings"][0]["column"] == "age"
    assert report["findings"][0]["rows"] == [3]
    assert loop_platform.storage.list("landing/") == loop_platform.storage.list("accepted/") == []


@pytest.mark.parametrize(
    "after",
    [
        "accept_batch",
        *(
            pytest.param(step, marks=pytest.mark.long)
            for step in ("check_batch", "keep_report", "announce_data", "report_validation")
        ),
    ],
)
def test_a_run_that_dies_after_any_step_is_finished_by_the_next(
    loop_platform: Platform, landed: Land, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    path = landed("half.csv", seed_csv(slice(60)))
    with monkeypatch.context() as patch:
        die_after(patch, after)
        assert validate_data(path, return_state=True).is_failed()
    assert loop_platform.storage.stat(path)
    state = validate_data(path, return_state=True)
    version = loop_platform.datasets.version("diabetes")
    assert (state.name, state.message) == ("Accepted", f"dataset version {version.version} with 60 rows")
    assert (version.rows, version.version) == (60, 1)
    assert loop_platform.storage.list("landing/") == []
    assert [report["state"] for report in areas.filed_batches("diabetes")] == ["Accepted"]


@pytest.mark.long
def test_a_run_that_died_after_the_move_ends_as_it_would_have(loop_platform: Platform, landed: Land) -> None:
    good, bad = landed("a.csv", seed_csv(slice(60))), landed("b.csv", b"age\n1\n")
    for path, name in ((good, "Accepted"), (bad, "Quarantined")):
        first, again = validate_data(path, return_state=True), validate_data(path, return_state=True)
        assert (first.name, first.message) == (again.name, again.message)
        assert again.name == name
    assert loop_platform.datasets.version("diabetes").version == 1


def test_a_quarantined_batch_is_quarantined_once_when_its_run_dies(
    loop_platform: Platform, landed: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = landed("bad.csv", b"age\n1\n")
    with monkeypatch.context() as patch:
        die_after(patch, "keep_report")
        assert validate_data(path, return_state=True).is_failed()
    assert validate_data(path, return_state=True).name == "Quarantined"
    assert len(loop_platform.storage.list("quarantine/")) == 2
    assert loop_platform.storage.list("landing/") == []


def test_the_same_rows_are_a_duplicate_whatever_their_name_order_and_format(
    loop_platform: Platform, landed: Land
) -> None:
    frame = catalog.load("diabetes").seed_data()[:80]
    validate_data(landed("a.csv", frame.to_csv(index=False).encode()), return_state=True)
    shuffled = frame.sample(frac=1, random_state=1)[list(frame.columns)[::-1]]
    state = validate_data(landed("other.parquet", parquet(shuffled)), return_state=True)
    assert state.name == "Duplicate"
    assert "these very rows made dataset version 1" in str(state.message)
    assert loop_platform.datasets.version("diabetes").rows == 80
    assert {report["state"] for report in areas.filed_batches("diabetes")} == {"Accepted", "Duplicate"}
    assert loop_platform.storage.list("landing/") == []


def test_rows_that_are_in_the_table_do_not_spoil_a_new_batch(loop_platform: Platform, landed: Land) -> None:
    validate_data(landed("a.csv", seed_csv(slice(80))), return_state=True)
    assert validate_data(landed("b.csv", seed_csv(slice(81))), return_state=True).name == "Accepted"
    assert loop_platform.datasets.version("diabetes").rows == 161


SEED = catalog.load("diabetes").seed_data()
FORTY = SEED[:40]


def csv(frame: pd.DataFrame) -> bytes:
    content: bytes = frame.to_csv(index=False).encode()
    return content


def parquet(frame: pd.DataFrame) -> bytes:
    target = io.BytesIO()
    frame.to_parquet(target, index=False)
    return target.getvalue()


def with_cell(row: int, column: str, value: float | str | None) -> pd.DataFrame:
    frame = FORTY.astype(object)
    frame.loc[row - 1, column] = value
    return frame


BAD = {
    "missing column": ("x.csv", csv(FORTY.drop(columns="bmi")), ["column 'bmi'", "is missing"]),
    "extra column": ("x.csv", csv(FORTY.assign(z=1)), ["column 'z'", "is not in the schema"]),
    "wrong type": ("x.csv", csv(with_cell(7, "bp", "high")), ["column 'bp'", "not of type float64", "rows 7;"]),
    "wrong type in Parquet": ("x.parquet", parquet(FORTY.assign(bp="1")), ["column 'bp'", "float64", "40 in all"]),
    "NaN": ("x.csv", csv(with_cell(3, "s1", None)), ["column 's1'", "must not be empty", "rows 3;"]),
    "NaN in Parquet": ("x.parquet", parquet(FORTY.assign(s1=np.nan)), ["column 's1'", "must not be empty"]),
    "out of range": ("x.csv", csv(with_cell(9, "age", 99)), ["column 'age'", "in_range(-0.3, 0.3)", "rows 9;"]),
    "infinite": ("x.parquet", parquet(FORTY.assign(Y=np.inf)), ["column 'Y'", "in_range(0, 1000)", "rows 1, 2"]),
    "shifted distribution": ("x.csv", csv(FORTY.assign(bmi=FORTY["bmi"] + 0.0476)), ["column 'bmi'", "shifted"]),
    "empty file": ("x.csv", b"", ["the file is empty"]),
    "empty Parquet": ("x.parquet", b"", ["the file is empty"]),
    "zero rows": ("x.csv", csv(FORTY.head(0)), ["zero rows"]),
    "zero rows of Parquet": ("x.parquet", parquet(FORTY.head(0)), ["zero rows"]),
    "truncated Parquet": ("x.parquet", parquet(FORTY)[:-100], ["truncated"]),
    "damaged Parquet": ("x.parquet", b"PAR1" + bytes(900) + b"PAR1", ["damaged"]),
    "not UTF-8": ("x.csv", csv(FORTY).replace(b"\n", b"\n\xff", 5), ["line 2 is not UTF-8"]),
    "UTF-16": ("x.csv", csv(FORTY).decode().encode("utf-16"), ["line 1 is not UTF-8"]),
    "ragged line": ("x.csv", csv(FORTY) + b"1,2,3\n", ["line 42", "Expected 11 columns, got 3"]),
    "repeated rows": ("x.csv", csv(pd.concat([FORTY, FORTY])), ["40 of 80 rows repeat", "rows 41, 42"]),
    "too few rows": ("x.csv", csv(FORTY.head(3)), ["3 rows, fewer than the 10"]),
    "Parquet called CSV": ("x.csv", parquet(FORTY), ["binary file"]),
    "CSV called Parquet": ("x.parquet", csv(FORTY), ["not the Parquet file that its name says"]),
    "no table": ("x.xlsx", csv(FORTY), ["use .csv or .parquet"]),
}
TYPICAL = {"missing column", "NaN", "shifted distribution", "truncated Parquet"}
"""One of each sort; what all others are told is tested where they are found, and here in the long tests."""


@pytest.mark.parametrize(
    "kind", [kind if kind in TYPICAL else pytest.param(kind, marks=pytest.mark.long) for kind in BAD]
)
def test_every_bad_batch_is_quarantined_and_named_and_appends_nothing(
    loop_platform: Platform, landed: Land, champion: int, kind: str
) -> None:
    name, blob, told = BAD[kind]
    state = validate_data(landed(name, blob), return_state=True)
    assert state.name == "Quarantined"
    message = str(state.message)
    assert message.startswith(f"landing/diabetes/{name}: ")
    assert len(message) < 1000
    assert [part for part in told if part not in message] == []
    with pytest.raises(NotFoundError):
        loop_platform.datasets.version("diabetes")
    assert loop_platform.storage.list("landing/") == loop_platform.storage.list("accepted/") == []
    [report] = areas.filed_batches("diabetes")
    assert (report["state"], report["path"], report["dataset_version"]) == (
        "Quarantined",
        f"landing/diabetes/{name}",
        None,
    )
    assert report["findings"][0]["rule"] in message
    assert content(loop_platform, report["filed"]) == blob


@pytest.mark.parametrize("rows", [slice(40), pytest.param(slice(120, None), marks=pytest.mark.long)])
def test_honest_batches_pass_beside_a_champion(landed: Land, champion: int, rows: slice) -> None:
    assert validate_data(landed("x.csv", csv(SEED[rows])), return_state=True).name == "Accepted"
    [report] = areas.filed_batches("diabetes")
    assert report["champion"] == champion
    assert {shift["column"] for shift in report["shifts"]} == set(SEED.columns)
    assert set(report["reference"]["columns"]) == set(SEED.columns)


def test_a_person_may_let_a_shift_pass(landed: Land, champion: int) -> None:
    path = landed("x.csv", BAD["shifted distribution"][1])
    assert validate_data(path, return_state=True, allow_shift=True).name == "Accepted"


def test_a_quarantined_blob_can_be_validated_again(loop_platform: Platform, landed: Land, champion: int) -> None:
    validate_data(landed("x.csv", BAD["shifted distribution"][1]), return_state=True)
    [report] = areas.filed_batches("diabetes")
    assert validate_data(report["filed"], return_state=True, allow_shift=True).name == "Accepted"


def test_the_findings_of_many_columns_stay_one_short_message(landed: Land) -> None:
    state = validate_data(landed("x.csv", b"q\n1\n"), return_state=True)
    assert str(state.message).endswith("; and 9 more")


def test_a_blob_that_changes_while_it_is_read_is_left_alone(
    loop_platform: Platform, landed: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = landed("x.csv", csv(FORTY))
    look = inspection.Inspection.read

    def change(self: inspection.Inspection, file: Path) -> inspection.Checked:
        landed("x.csv", csv(SEED[40:90]))
        return look(self, file)

    monkeypatch.setattr(inspection.Inspection, "read", change)
    assert validate_data(path, return_state=True).name == "Accepted"
    assert loop_platform.datasets.version("diabetes").rows == 40
    assert content(loop_platform, path) == csv(SEED[40:90])


def test_artifacts_show_table_and_plot(landed: Land, champion: int) -> None:
    state = validate_data(landed("x.csv", csv(FORTY)), return_state=True)
    with get_client(sync_client=True) as client:
        mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(str(state.state_details.flow_run_id))]))
        found = {artifact.key: artifact for artifact in client.read_artifacts(artifact_filter=mine)}
    assert set(found) == {"diabetes-validation", "diabetes-validation-plot"}
    assert str(found["diabetes-validation-plot"].data).startswith("data:image/png;base64,")
    lines = json.loads(str(found["diabetes-validation"].data))
    assert {line["column"]: line["shifted"] for line in lines} == dict.fromkeys(SEED.columns, "no")


def test_the_log_of_the_run_is_archived(loop_platform: Platform, landed: Land) -> None:
    state = validate_data(landed("a.csv", seed_csv(slice(60))), return_state=True)
    run = state.state_details.flow_run_id
    log = content(loop_platform, f"logs/diabetes/{run}/flow.log").decode()
    assert "check_batch" in log


def test_a_missing_blob_fails_and_names_it(loop_platform: Platform) -> None:
    state = validate_data("landing/diabetes/nothing.csv", return_state=True)
    assert state.is_failed()
    assert "nothing.csv" in str(state.message)
