from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from cli import log as log_module
from cli.main import main
from log_shipper import records
from log_shipper.shipping import ship
from platforms.errors import PlatformError
from platforms.local.replica_set import traffic_folder
from platforms.platform import Platform
from platforms.settings import Settings
from platforms.values import ScoredRequest
from tasks import feedback
from tasks.feedback import logged_requests
from tests.log_shipper.made import RECIPE, START, Row, closed, many, record

COLUMNS = ["request_id", "time", "environment", "model", "version", "image", "inputs", "outputs", "latency", "key_id"]


def export(out: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["log", RECIPE, *options, "--out", str(out)])


@pytest.fixture
def logged(settings: Settings, platform: Platform) -> Settings:
    """Five requests a second apart, three of them shipped."""
    folder = traffic_folder(settings, RECIPE, "prod")
    requests = many(5)
    ship(platform.storage, closed(folder, *requests[:3]))
    closed(folder, *requests[3:])
    return settings


@pytest.mark.usefixtures("logged")
def test_one_row_for_each_request_shipped_or_not(tmp_path: Path) -> None:
    out = tmp_path / "new" / "log.parquet"
    result = export(out)
    assert result.exit_code == 0, result.output
    assert result.output == f"wrote 5 requests to {out}\n"
    table = pq.read_table(out)
    assert table.column_names == COLUMNS
    rows = sorted(table.to_pylist(), key=lambda row: str(row["request_id"]))
    assert [row["request_id"] for row in rows] == [f"id-{n}" for n in range(5)]
    assert [row["time"] for row in rows] == [START + timedelta(seconds=n) for n in range(5)]
    assert json.loads(rows[0]["inputs"]) == [{"a": 1.5, "b": 2.0}]
    assert (rows[0]["outputs"], rows[0]["version"], rows[0]["key_id"]) == ([3.0], 2, "main")
    assert os.listdir(out.parent) == ["log.parquet"]


@pytest.mark.usefixtures("logged")
@pytest.mark.parametrize(
    ("options", "count"),
    [
        (("--from", "2026-01-02T03:00:01Z"), 4),
        (("--to", "2026-01-02T03:00:01"), 1),
        (("--from", "2026-01-02T04:00:02+01:00", "--to", "2026-01-02T03:00:03"), 1),
        (("--from", "2026-01-03"), 0),
        (("--from", "2026-01-02", "--to", "2026-01-03"), 5),
    ],
)
def test_an_interval(tmp_path: Path, options: tuple[str, ...], count: int) -> None:
    result = export(tmp_path / "log.parquet", *options)
    assert result.output.startswith(f"wrote {count} requests"), result.output
    table = pq.read_table(tmp_path / "log.parquet")
    assert (table.num_rows, table.schema) == (count, records.SCHEMA)


@pytest.mark.usefixtures("logged")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--from", "yesterday"), "'yesterday' is no time: write 2026-01-31, or 2026-01-31T12:30:00+01:00"),
        (("--to", "2026-13-01"), "'2026-13-01' is no time"),
        (("--from", "2026-01-02", "--to", "2026-01-02"), "is not before --to"),
    ],
)
def test_times_that_are_none_are_explained(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    result = export(tmp_path / "log.parquet", *options)
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "log.parquet").exists()


@pytest.mark.usefixtures("platform")
def test_an_unknown_recipe_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["log", "nothing", "--out", str(tmp_path / "log.parquet")])
    assert result.exit_code == 1
    assert "there is no recipe nothing" in result.output


@pytest.mark.usefixtures("platform")
def test_out_is_required() -> None:
    result = CliRunner().invoke(main, ["log", RECIPE])
    assert result.exit_code == 2
    assert "--out" in result.output


@pytest.mark.usefixtures("logged")
def test_a_target_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path / "file" / "log.parquet", tmp_path):
        result = export(out)
        assert result.exit_code == 1
        assert f"{out} cannot be written" in result.output
    assert not list(tmp_path.parent.glob(".tmp-*"))


def test_a_platform_that_cannot_be_used_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PlatformError("RIDGELINE_AZURE_STORAGE_ACCOUNT is not set")

    monkeypatch.setattr(feedback, "current", refuse)
    result = export(tmp_path / "log.parquet")
    assert (result.exit_code, result.output) == (1, "Error: RIDGELINE_AZURE_STORAGE_ACCOUNT is not set\n")
    assert not list(tmp_path.iterdir())


def test_a_log_that_cannot_be_read_leaves_the_old_file(logged: Settings, tmp_path: Path) -> None:
    out = tmp_path / "log.parquet"
    out.write_text("old")
    (segment,) = traffic_folder(logged, RECIPE, "prod").glob("*.jsonl")
    segment.write_bytes(b"garbage\n" + segment.read_bytes())
    result = export(out)
    assert result.exit_code == 1
    assert f"line 1 of {segment} is no logged request" in result.output
    assert out.read_text() == "old"
    assert not list(tmp_path.glob(".tmp-*"))


def test_few_requests_are_held_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "BATCH_RECORDS", 3)
    asked = 0

    def requests() -> Iterator[ScoredRequest]:
        nonlocal asked
        for _ in range(10):
            asked += 1
            yield ScoredRequest("a", START, "prod", RECIPE, 1, "d", [{"a": 0.1}], [1.0], 0.1, "main")

    batches = log_module._batches(requests())
    assert len(next(batches)) == 3
    assert asked == 3
    assert [len(batch) for batch in batches] == [3, 3, 1]


def test_feedback_reads_what_was_answered(logged: Settings) -> None:
    closed(traffic_folder(logged, RECIPE, "qa"), record("qa", rows=[Row(0.1), Row(0.3)], environment="qa"))
    found = {request.request_id: request for request in logged_requests(RECIPE)}
    assert found.keys() == {*(f"id-{n}" for n in range(5)), "qa"}
    assert found["qa"].inputs == [{"a": 0.1, "b": 2.0}, {"a": 0.3, "b": 2.0}]
    interval = (datetime.fromisoformat("2026-01-02T03:00:01Z"), datetime.fromisoformat("2026-01-02T03:00:04Z"))
    assert len(list(logged_requests(RECIPE, *interval))) == 3


def test_feedback_of_a_recipe_without_requests_is_empty(platform: Platform) -> None:
    assert list(logged_requests(RECIPE)) == []
    with pytest.raises(PlatformError, match="no valid name"):
        list(platform.traffic.read("../x", START, START))
