from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from log_shipper import records
from log_shipper.lines import Record, read
from log_shipper.packing import packed
from log_shipper.records import UnreadableError
from platforms.local.storage import LocalStorage
from platforms.values import ScoredRequest
from scoring_service.request_log import LogRecord
from tests.log_shipper.made import START, Row, closed, many, record


def batch(*logged: LogRecord) -> pa.RecordBatch:
    lines = [msgspec.json.encode(each) for each in logged]
    return records.table([read(line) for line in lines])


def test_the_columns_are_those_of_a_request() -> None:
    assert tuple(records.SCHEMA.names) == Record.__struct_fields__ == LogRecord.__struct_fields__
    assert tuple(records.SCHEMA.names) == tuple(ScoredRequest.__dataclass_fields__)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5), st.floats(0, 10))
def test_numbers_keep_every_bit(numbers: list[float], latency: float) -> None:
    logged = record("a", rows=[Row(number) for number in numbers])
    logged.outputs, logged.latency = numbers, latency
    (row,) = batch(logged).to_pylist()
    found = [each["a"] for each in json.loads(row["inputs"])]
    assert list(map(float.hex, found)) == list(map(float.hex, numbers))
    assert list(map(float.hex, row["outputs"])) == list(map(float.hex, numbers))
    assert row["latency"].hex() == latency.hex()


@given(st.text() | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.none())
def test_inputs_stay_what_they_were(value: str | int | bool | None) -> None:
    (row,) = batch(record("a", rows=[Row(1.0, value)])).to_pylist()
    (found,) = json.loads(row["inputs"])
    assert (found["b"], type(found["b"])) == (value, type(value))


def test_times_keep_their_microseconds() -> None:
    time = START.replace(microsecond=123457)
    assert batch(record("a", time)).to_pylist()[0]["time"] == time


def test_records_come_in_bounded_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = closed(tmp_path, *many(10))
    monkeypatch.setattr(records, "BATCH_RECORDS", 4)
    assert [len(batch) for batch in records.batches(segment)] == [4, 4, 2]
    monkeypatch.setattr(records, "BATCH_BYTES", 1)
    assert [len(batch) for batch in records.batches(segment)] == [1] * 10


def test_a_torn_last_line_was_never_acknowledged(tmp_path: Path) -> None:
    segment = closed(tmp_path, *many(2))
    segment.write_bytes(segment.read_bytes() + segment.read_bytes().splitlines()[0])
    assert [len(batch) for batch in records.batches(segment)] == [2]


BROKEN_TEXT = msgspec.json.encode(record("a", rows=[Row(1.5, "text")])).replace(b"text", b"te\xffxt") + b"\n"


@pytest.mark.parametrize("line", [b"garbage\n", b"\n", b"{}\n", b"\xff\xfe\n", b'{"request_id": 3}\n', BROKEN_TEXT])
def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: bytes) -> None:
    segment = closed(tmp_path, *many(2))
    segment.write_bytes(segment.read_bytes() + line + segment.read_bytes())
    with pytest.raises(UnreadableError, match=rf"{segment.name} cannot be shipped"), packed(segment):
        pass


def test_one_segment_gives_the_same_files_each_time(tmp_path: Path) -> None:
    segment = closed(tmp_path / "log", *many(50))
    storage = LocalStorage(tmp_path)
    contents = []
    for _ in range(2):
        with packed(segment) as (parcel,):
            assert storage.upload(parcel.source, parcel.path).size == parcel.size
        with storage.open(parcel.path) as file:
            contents.append(file.read())
    assert contents[0] == contents[1]
