"""A server under measurement: its process tree on one core, started until it answers rightly, and stopped whole."""

from __future__ import annotations

import http.client
import json
import math
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

import psutil

from benchmarks.serving import material
from benchmarks.serving.peers import APPS, REQUIREMENTS, Peer, Question
from platforms.local.environments import environment

CORE: Final = "0"
"""The core of all servers; wrk has another."""
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.002
DIFFERENCE: Final = 1e-6
"""Largest relative difference of a right answer."""


class ServerError(Exception):
    """A server does not start or answers something wrong; the message says which, what, and where its output is."""


@dataclass(frozen=True)
class Server:
    """A running server; `start_seconds` is from its process to its first right answer."""

    peer: Peer
    port: int
    process: subprocess.Popen[bytes]
    start_seconds: float

    def cpu_seconds(self) -> float:
        """What the process tree has used so far."""
        times = [process.cpu_times() for process in _tree(self.process.pid)]
        return sum(time.user + time.system for time in times)

    def resident_mb(self) -> float:
        """Memory of the process tree in MB (10**6 bytes); pages that processes share count in each."""
        return sum(process.memory_info().rss for process in _tree(self.process.pid)) / 1e6


@contextmanager
def running(peer: Peer, home: Path) -> Iterator[Server]:
    """Start a peer and stop it at the end; raises `ServerError`, or `PlatformError` if it cannot be installed."""
    ports = _free_ports(3)
    values = {"home": str(home), "apps": str(APPS)}
    values |= dict(zip(("port", "port2", "port3"), map(str, ports), strict=True))
    if peer.requirements is not None:
        python = environment(home / "envs", REQUIREMENTS / f"{peer.requirements}.txt")
        values["bin"] = str(python.parent)
    if peer.template is not None:
        (home / peer.template).write_text(Template((APPS / peer.template).read_text()).substitute(values))
    command = ["taskset", "-c", CORE, *(Template(word).substitute(values) for word in peer.command)]
    log = home / f"{peer.name}.log"
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=peer.folder, env=_environ(peer, values), stdout=output, stderr=output, process_group=0
        )
    try:
        _await_answer(peer, ports[0], process, home)
        yield Server(peer, ports[0], process, time.perf_counter() - started)
    finally:
        _stop(process)


def ask(port: int, question: Question, body: bytes) -> tuple[int, bytes]:
    """Ask once; status and body."""
    headers = {"content-type": "application/json", **_headers(question)}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", question.path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def check(peer: Peer, port: int, question: Question, home: Path, count: int) -> None:
    """Raise `ServerError` unless the answer has the right predictions; a limit only has to answer."""
    status, body = ask(port, question, (home / f"{question.body}-{count}").read_bytes())
    if status != 200:
        raise ServerError(f"{peer.name} answers {question.path} with {status}: {body[:300]!r}")
    if peer.kind != "limit" and not holds(body, material.expected(home, count)):
        raise ServerError(f"{peer.name} answers {question.path} with something else than its model: {body[:300]!r}")


def _headers(question: Question) -> Mapping[str, str]:
    return dict(line.split(": ", 1) for line in question.headers)


def holds(body: bytes, predictions: list[float]) -> bool:
    """Whether the predictions are in the answer: as the one list of numbers in its JSON, or as its last bytes."""
    import numpy as np

    try:
        found = _numbers(json.loads(body))
    except ValueError:
        found = np.frombuffer(body[-8 * len(predictions) :], "<f8").tolist()
    pairs = zip(found, predictions, strict=False)
    return len(found) == len(predictions) and all(math.isclose(*pair, rel_tol=DIFFERENCE) for pair in pairs)


def _numbers(content: object) -> list[float]:
    """The longest list of floats within a document."""
    if isinstance(content, dict):
        return max((_numbers(value) for value in content.values()), key=len, default=[])
    if not isinstance(content, list):
        return []
    if content and all(isinstance(value, float) for value in content):
        return content
    return max(map(_numbers, content), key=len, default=[])


def _environ(peer: Peer, values: Mapping[str, str]) -> Mapping[str, str]:
    given = {name: Template(value).substitute(values) for name, value in peer.environ.items()}
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    path = ":".join([*([values["bin"]] if "bin" in values else []), os.environ["PATH"], "/usr/sbin"])
    return {**kept, **threads, **given, "PATH": path}


def _await_answer(peer: Peer, port: int, process: subprocess.Popen[bytes], home: Path) -> None:
    question = peer.questions[0]
    body = (home / f"{question.body}-1").read_bytes()
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise ServerError(f"{peer.name} ended with {process.returncode} as it started, see {peer.name}.log")
        with suppress(OSError, http.client.HTTPException):
            if ask(port, question, body)[0] == 200:
                check(peer, port, question, home, 1)
                return
        time.sleep(POLL_SECONDS)
    raise ServerError(f"{peer.name} did not answer within {START_SECONDS:g} s, see {peer.name}.log")


def _free_ports(count: int) -> list[int]:
    with_sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [listener.getsockname()[1] for listener in with_sockets]
    for listener in with_sockets:
        listener.close()
    return ports


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _stop(process: subprocess.Popen[bytes]) -> None:
    members = _tree(process.pid)
    process.terminate()
    _, alive = psutil.wait_procs(members, STOP_SECONDS)
    for member in alive:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait()
