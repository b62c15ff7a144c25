"""What is acknowledged is in the log once, whenever the process is killed."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.scoring_service.contexts import ROW
from tests.scoring_service.serving import message, read_answer, records
from tests.scoring_service.test_server import Process, started

CLIENTS = 8


@pytest.mark.parametrize(
    "values", [{}, pytest.param({"LOG_SEGMENT_BYTES": "20000"}, marks=pytest.mark.long), {"LOG_SYNC": "true"}]
)
def test_every_acknowledged_request_is_logged_once_when_killed(
    context: Path, tmp_path: Path, values: dict[str, str]
) -> None:
    acknowledged: list[str] = []
    for life in range(3):
        with started(context, tmp_path, None, **values) as replica:
            threads = [
                threading.Thread(target=ask, args=(replica, f"{life}-{index}", acknowledged))
                for index in range(CLIENTS)
            ]
            for thread in threads:
                thread.start()
            enough = len(acknowledged) + 200
            deadline = time.monotonic() + 20
            while len(acknowledged) < enough and time.monotonic() < deadline:
                time.sleep(0.002)
            replica.process.kill()
            for thread in threads:
                thread.join(10)
            os.close(replica.alive)
    logged = Counter(record["request_id"] for record in records(tmp_path / "logs"))
    assert len(acknowledged) >= 600
    assert {logged[request_id] for request_id in acknowledged} == {1}


def ask(replica: Process, name: str, acknowledged: list[str], pause: float = 0.0) -> None:
    """Ask until the service is gone."""
    try:
        with replica.connect() as client:
            for index in range(100_000):
                client.sendall(message({"data": [ROW]}, f"X-Request-Id: {name}-{index}"))
                acknowledged.append(read_answer(client).headers["x-request-id"])
                time.sleep(pause)
    except (OSError, AssertionError):
        return
