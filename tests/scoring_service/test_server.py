from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.scoring_service.contexts import ROW, make_context
from tests.scoring_service.serving import KEY, message, parse, read_all, read_answer, records

SCORE = message({"data": [ROW]})


@dataclass(frozen=True)
class Process:
    process: subprocess.Popen[bytes]
    port: int
    alive: int

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)

    def wait(self) -> int:
        return self.process.wait(10)


def environ(folder: Path, **values: str) -> dict[str, str]:
    (folder / "keys").write_text(f"default {KEY}\n")
    named = {f"SCORING_{name}": value for name, value in values.items()}
    return {**os.environ, "SCORING_KEYS_FILE": str(folder / "keys"), "SCORING_LOG_DIR": str(folder / "logs"), **named}


@contextmanager
def started(context: Path, folder: Path, **given: str) -> Iterator[Process]:
    """A replica on an inherited socket, ready; the supervisor keeps no copy of the socket."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    ready, ready_child = os.pipe()
    alive_child, alive = os.pipe()
    numbers = {"LISTEN_FD": listener.fileno(), "READY_FD": ready_child, "ALIVE_FD": alive_child}
    values = {name: str(number) for name, number in numbers.items()} | {"CONTEXT": str(context), **given}
    process = subprocess.Popen(
        [sys.executable, "-m", "scoring_service"],
        env=environ(folder, **values),
        pass_fds=tuple(numbers.values()),
        stdout=subprocess.DEVNULL,
    )
    for descriptor in (ready_child, alive_child):
        os.close(descriptor)
    listener.close()
    try:
        assert select.select([ready], [], [], 20)[0]
        assert os.read(ready, 1) == b"1"
        yield Process(process, port, alive)
    finally:
        process.kill()
        process.wait()
        os.close(ready)


def test_serves_on_an_inherited_socket_and_drains(context: Path, tmp_path: Path) -> None:
    with started(context, tmp_path) as replica, replica.connect() as client, replica.connect() as idle:
        client.sendall(SCORE)
        assert read_answer(client).status == 200
        replica.process.send_signal(signal.SIGTERM)
        _wait_until_closed(replica)
        client.sendall(SCORE)
        (last,) = parse(read_all(client))
        assert (last.status, last.headers["connection"]) == (200, "close")
        assert read_all(idle) == b""
        assert replica.wait() == 0
        os.close(replica.alive)
    (log,) = (tmp_path / "logs").iterdir()
    assert log.suffix == ".jsonl"
    assert len(records(tmp_path / "logs")) == 2


def _wait_until_closed(replica: Process) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            replica.connect().close()
        except ConnectionError:
            return
    raise AssertionError("the listener stays open while draining")


def test_the_end_of_the_supervisor_drains_too(context: Path, tmp_path: Path) -> None:
    with started(context, tmp_path) as replica:
        os.close(replica.alive)
        assert replica.wait() == 0


def test_listens_for_itself(context: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "scoring_service"],
        env=environ(tmp_path, CONTEXT=str(context), PORT="0"),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        port = int(line.partition(",")[0].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(SCORE)
            assert read_answer(client).status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"KEYS_FILE": "/nowhere/keys"}, "/nowhere/keys cannot be read"),
        ({"KEYS_FILE": ""}, "SCORING_KEYS_FILE is not set"),
        ({"CONTEXT": "/nowhere"}, "manifest.json"),
        ({"PORT": "many"}, "SCORING_PORT"),
        ({"LOG_DIR": "/proc/nowhere"}, "SCORING_LOG_DIR"),
    ],
)
def test_does_not_start_and_says_why(context: Path, tmp_path: Path, values: dict[str, str], named: str) -> None:
    given = environ(tmp_path, **{"CONTEXT": str(context), **values})
    done = subprocess.run([sys.executable, "-m", "scoring_service"], env=given, capture_output=True, text=True)
    assert done.returncode == 1
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_a_changed_model_never_becomes_ready(tmp_path: Path) -> None:
    folder = make_context(tmp_path / "context")
    weights = folder / "model" / "weights.json"
    weights.write_text(weights.read_text().replace("152", "153"))
    done = subprocess.run(
        [sys.executable, "-m", "scoring_service"], cwd=folder, env=environ(tmp_path), capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "model/weights.json" in done.stderr
