from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from log_shipper.shipping import ship
from platforms.errors import PlatformError
from platforms.local.storage import LocalStorage
from platforms.shipped import ShippedLog
from tests.log_shipper.made import ALWAYS, RECIPE, START, closed, ids, many, record

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> LocalStorage:
    """Three days of qa and prod, each hour a record."""
    folder = tmp_path_factory.mktemp("shipped")
    storage = LocalStorage(folder / "storage")
    ship(storage, closed(folder / "log", *many(72, "prod", HOUR)))
    ship(storage, closed(folder / "log", *(record(f"qa-{n}", START + n * HOUR, environment="qa") for n in range(72))))
    ship(storage, closed(folder / "log", record("local", environment="local")))
    storage.write(f"scoring-logs/{RECIPE}/prod/readme.txt", b"not ours")
    return storage


@pytest.mark.parametrize(
    ("first", "last"),
    [(0, 72), (0, 1), (5, 5), (20, 22), (21, 45), (-100, 1000), (71, 73), (72, 100), (-50_000, 50_000)],
)
def test_an_interval_includes_its_beginning_and_not_its_end(storage: LocalStorage, first: int, last: int) -> None:
    found = ShippedLog(storage).read(RECIPE, START + first * HOUR, START + last * HOUR)
    inside = range(max(first, 0), min(last, 72))
    assert ids(list(found)) == sorted(f"{name}-{n}" for name in ("prod", "qa") for n in inside)


def test_only_the_days_of_the_interval_are_listed(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = storage.open

    def noted(path: str) -> BinaryIO:
        opened.append(path)
        return real(path)

    with monkeypatch.context() as patched:
        patched.setattr(storage, "open", noted)
        found = list(ShippedLog(storage).read(RECIPE, START, START + HOUR))
    assert len(found) == 2
    assert {path.split("/")[3] for path in opened} == {"date=2026-01-02"}


def test_other_time_zones_are_the_same_instants(storage: LocalStorage) -> None:
    east = timezone(timedelta(hours=14))
    found = ShippedLog(storage).read(RECIPE, START.astimezone(east), (START + HOUR).astimezone(east))
    (first, _) = found
    assert first.time == START
    assert first.time.utcoffset() == timedelta(0)


def test_an_unknown_recipe_has_nothing(storage: LocalStorage) -> None:
    assert list(ShippedLog(storage).read("other", *ALWAYS)) == []


def parquet(**columns: list[object]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content", [b"garbage", b"", parquet(a=[1]), parquet(time=[1]), parquet(time=[START], a=[1]), parquet(a=[[1]])]
)
def test_what_is_no_log_is_named(tmp_path: Path, content: bytes) -> None:
    storage = LocalStorage(tmp_path)
    path = f"scoring-logs/{RECIPE}/prod/date=2026-01-02/x.parquet"
    storage.write(path, content)
    with pytest.raises(PlatformError, match=f"blob {path} is no request log"):
        list(ShippedLog(storage).read(RECIPE, START, datetime(2026, 1, 4, tzinfo=UTC)))
