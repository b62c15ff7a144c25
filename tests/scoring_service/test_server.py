from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from scoring_service.__main__ import main
from scoring_service.exit_codes import IMAGE, SURROUNDINGS
from tests.scoring_service.contexts import ROW, make_context
from tests.scoring_service.serving import KEY, message, parse, read_all, read_answer, records

SCORE = message({"data": [ROW]})


@dataclass(frozen=True)
class Process:
    process: subprocess.Popen[bytes]
    port: int
    alive: int
    signs: int

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)

    def wait(self) -> int:
        return self.process.wait(10)


def environ(folder: Path, **values: str) -> dict[str, str]:
    (folder / "keys").write_text(f"default {KEY}\n")
    named = {f"SCORING_{name}": value for name, value in values.items()}
    return {**os.environ, "SCORING_KEYS_FILE": str(folder / "keys"), "SCORING_LOG_DIR": str(folder / "logs"), **named}


@contextmanager
def started(context: Path, folder: Path, shared: socket.socket | None = None, **given: str) -> Iterator[Process]:
    """A replica on an inherited socket, ready; without a `shared` one, nobody else keeps the socket."""
    listener = shared.dup() if shared else socket.create_server(("127.0.0.1", 0))
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
        yield Process(process, port, alive, ready)
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


def test_gives_signs_of_life_as_long_as_it_serves(context: Path, tmp_path: Path) -> None:
    with started(context, tmp_path) as replica:
        for _ in range(2):
            assert select.select([replica.signs], [], [], 5)[0]
            assert os.read(replica.signs, 1) == b"1"
        os.close(replica.alive)
        assert replica.wait() == 0


def test_a_log_segment_is_closed_at_its_age_without_traffic(context: Path, tmp_path: Path) -> None:
    with started(context, tmp_path, None, LOG_SEGMENT_SECONDS="0.1") as replica, replica.connect() as client:
        client.sendall(SCORE)
        assert read_answer(client).status == 200
        deadline = time.monotonic() + 5
        while not list((tmp_path / "logs").glob("*.jsonl")) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(list((tmp_path / "logs").glob("*.jsonl"))) == 1
        os.close(replica.alive)


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
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        ready = json.loads(process.stderr.readline())["message"]
        port = int(ready.partition(",")[0].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(SCORE)
            assert read_answer(client).status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()


def test_keys_are_exchanged_without_restart(context: Path, tmp_path: Path) -> None:
    with started(context, tmp_path) as replica, replica.connect() as client:
        _replace_keys(tmp_path, f"default {KEY}\nnext second\n")
        _await_status(client, "second", 200)
        _replace_keys(tmp_path, "garbage")
        _replace_keys(tmp_path, "next second\n")
        _await_status(client, KEY, 401)
        _await_status(client, "second", 200)
        os.close(replica.alive)
    assert {record["key_id"] for record in records(tmp_path / "logs")} <= {"default", "next"}


def _replace_keys(folder: Path, content: str) -> None:
    (folder / "keys.new").write_text(content)
    (folder / "keys.new").replace(folder / "keys")


def _await_status(client: socket.socket, key: str, status: int) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        client.sendall(message({"data": [ROW]}, key=key))
        if read_answer(client).status == status:
            return
        time.sleep(0.02)
    raise AssertionError(f"never {status}")


@pytest.mark.long
def test_replicas_are_replaced_under_load_without_a_failed_request(context: Path, tmp_path: Path) -> None:
    answers: list[int] = []
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as replicas:
        old = replicas.enter_context(started(context, tmp_path, listener))
        clients = [threading.Thread(target=_keep_asking, args=(old, stop, answers)) for _ in range(4)]
        for client in clients:
            client.start()
        try:
            for _ in range(3):
                new = replicas.enter_context(started(context, tmp_path, listener))
                old.process.send_signal(signal.SIGTERM)
                assert old.wait() == 0
                old = new
                _await_more(answers)
        finally:
            stop.set()
            for client in clients:
                client.join(10)
    assert set(answers) == {200}


def _keep_asking(replica: Process, stop: threading.Event, answers: list[int]) -> None:
    """Ask on a connection until it is closed, then on a new one; 0 is a request without an answer."""
    while not stop.is_set():
        with replica.connect() as client:
            keep = True
            while keep and not stop.is_set():
                try:
                    client.sendall(SCORE)
                    answer = read_answer(client)
                except (AssertionError, OSError):
                    answers.append(0)
                    return
                answers.append(answer.status)
                keep = "connection" not in answer.headers


def _await_more(answers: list[int]) -> None:
    enough = len(answers) + 50
    deadline = time.monotonic() + 10
    while len(answers) < enough and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(answers) >= enough


@pytest.mark.parametrize(
    ("values", "named", "code"),
    [
        ({"KEYS_FILE": "/nowhere/keys"}, "/nowhere/keys cannot be read", SURROUNDINGS),
        ({"KEYS_FILE": ""}, "SCORING_KEYS_FILE is not set", SURROUNDINGS),
        ({"CONTEXT": "/nowhere"}, "manifest.json", IMAGE),
        ({"PORT": "many"}, "SCORING_PORT", SURROUNDINGS),
        ({"LOG_DIR": "/proc/nowhere"}, "SCORING_LOG_DIR", SURROUNDINGS),
    ],
)
def test_does_not_start_and_says_why_and_whose_fault_it_is(
    context: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    values: dict[str, str],
    named: str,
    code: int,
) -> None:
    monkeypatch.setattr(os, "environ", environ(tmp_path, **{"CONTEXT": str(context), **values}))
    assert main() == code
    told = json.loads(capsys.readouterr().err)
    assert told["message"].startswith("does not start: ")
    assert named in told["message"]


def test_a_port_that_is_taken_is_not_the_images_fault(context: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        given = environ(tmp_path, CONTEXT=str(context), PORT=str(taken.getsockname()[1]))
        done = subprocess.run([sys.executable, "-m", "scoring_service"], env=given, capture_output=True, text=True)
    assert done.returncode == SURROUNDINGS
    assert "Address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_changed_model_never_becomes_ready(tmp_path: Path) -> None:
    folder = make_context(tmp_path / "context")
    weights = folder / "model" / "weights.json"
    weights.write_text(weights.read_text().replace("152", "153"))
    done = subprocess.run(
        [sys.executable, "-m", "scoring_service"], cwd=folder, env=environ(tmp_path), capture_output=True, text=True
    )
    assert done.returncode == IMAGE
    assert "model/weights.json" in done.stderr
