from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from platforms.local import launch_client, launcher
from tests.platforms.local.launching import ROOT, pongs
from tests.platforms.local.launching import folder as folder
from tests.platforms.local.launching import server as server
from tests.waiting import wait_for


def client(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-S",
        "-E",
        "-s",
        launch_client.__file__,
        str(folder / "l.sock"),
        "program",
        *arguments,
    ]
    environment = {**os.environ, "COLOUR": "bl\u00fce"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True)


def test_clients_are_answered_between_the_imports(folder: Path) -> None:
    (folder / "program.py").write_text("import gc; print(gc.isenabled())")
    for name in ("first", "second"):
        (folder / f"slow_{name}.py").write_text(
            f"import pathlib, time\nwhile not pathlib.Path({str(folder / name)!r}).exists(): time.sleep(0.01)\n"
        )
    command = [sys.executable, "-P", launcher.__file__, str(folder / "l.sock"), "slow_first", "slow_second"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process, socket.socket(socket.AF_UNIX) as early:
        try:
            wait_for((folder / "l.sock").exists)
            early.settimeout(10)
            wait_for(lambda: early.connect_ex(str(folder / "l.sock")) == 0)
            early.sendall(bytes(4))
            (folder / "first").touch()
            assert early.recv(4) == bytes(4), "while the second one is still to be imported"
            with client(folder) as other:
                wait_for(lambda: psutil.Process(other.pid).net_connections("unix"))
                (folder / "second").touch()
                assert other.communicate()[0] == "True\n", "a fork looks for garbage, the launcher not yet"
            assert pongs(folder / "l.sock")
        finally:
            process.kill()


@pytest.mark.parametrize("launched", [True, False], ids=["launcher", "fallback"])
def test_a_program_runs_as_if_started_here(folder: Path, launched: bool, request: pytest.FixtureRequest) -> None:
    if launched:
        request.getfixturevalue("server")
    with client(folder, "code", "7") as process:
        out, err = process.communicate()
    assert out.strip() == f"{folder} ['code', '7'] bl\u00fce __main__"
    assert err.strip() == "to stderr"
    assert process.returncode == 7


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("end", "code", "words"),
    [("none", 0, ""), ("text", 1, "said why"), ("raise", 1, "ValueError: as told"), ("die", -signal.SIGKILL, "")],
)
def test_the_client_ends_as_its_fork_does(folder: Path, end: str, code: int, words: str) -> None:
    with client(folder, end) as process:
        err = process.communicate()[1]
    assert process.returncode == code
    assert words in err


def comm(process: psutil.Process) -> str:
    return Path(f"/proc/{process.pid}/comm").read_text().strip()


def test_a_fork_is_fresh_code_in_a_child_of_the_launcher(folder: Path, server: psutil.Process) -> None:
    with client(folder, "sleep") as process:
        wait_for(lambda: any(os.getsid(fork.pid) == fork.pid for fork in server.children()))
        wait_for(lambda: comm(server.children()[0]) == "program-sleep")
        process.terminate()
        assert process.wait() == -signal.SIGTERM
    wait_for(lambda: not server.children())
    (folder / "program.py").write_text("print('changed')")
    with client(folder) as process:
        assert process.communicate()[0] == "changed\n"


def test_a_killed_client_takes_its_fork_along(folder: Path, server: psutil.Process) -> None:
    with client(folder, "sleep") as process:
        wait_for(server.children)
        process.kill()
    wait_for(lambda: not server.children())


def test_a_fork_outlives_the_launcher(folder: Path, server: psutil.Process) -> None:
    with client(folder, "sleep") as process:
        assert process.stdout
        process.stdout.readline()
        fork = server.children()[0]
        server.kill()
        time.sleep(0.1)
        assert fork.is_running()
        assert process.poll() is None
        fork.kill()
        assert process.wait() == -signal.SIGKILL


def test_garbage_and_hang_ups_do_no_harm(folder: Path, server: psutil.Process) -> None:
    for words in (b"", b"\xff", b"\xff\0\0\0short", b"\x03\0\0\0a\0b"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(folder / "l.sock"))
            connection.sendall(words)
    assert pongs(folder / "l.sock")
    assert server.is_running()


def test_a_module_that_runs_a_program_when_it_is_imported_can_be_preloaded(folder: Path) -> None:
    (folder / "asks.py").write_text(
        "import subprocess\nassert subprocess.run(['sh', '-c', 'exit 3']).returncode == 3\n"
    )
    command = [sys.executable, "-P", launcher.__file__, str(folder / "l.sock"), "asks"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
        wait_for(lambda: process.poll() is not None or pongs(folder / "l.sock"))
        assert process.poll() is None
        process.terminate()


def test_a_module_that_cannot_be_preloaded_is_told(folder: Path, server: psutil.Process) -> None:
    assert server.is_running()
    wait_for(lambda: "no_such_module is not preloaded" in (folder / "launcher.log").read_text())


def test_other_installed_packages_end_the_launcher_and_the_client_helps_itself(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = folder / "site-packages"
    packages.mkdir()
    command = [sys.executable, "-P", launcher.__file__, str(folder / "l.sock"), "colorsys"]
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, text=True) as process:
        wait_for(lambda: pongs(folder / "l.sock"))
        (packages / "__pycache__").mkdir()
        with client(folder, "code", "0") as asking:
            asking.communicate()
        assert process.poll() is None, "bytecode is no package"
        (packages / "new-1.0.dist-info").mkdir()
        with client(folder, "code", "3") as asking:
            asking.communicate()
        assert asking.returncode == 3
        assert "packages changed" in process.communicate(timeout=10)[1]
        assert process.returncode == 1


def test_the_client_in_this_process(
    folder: Path, server: psutil.Process, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["client", str(folder / "l.sock"), "program", "code", "5"])
    try:
        with pytest.raises(SystemExit) as end:
            launch_client.main()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert end.value.code == 5
    assert "['code', '5']" in capfd.readouterr().out
    assert server.is_running()


def test_without_a_launcher_the_client_becomes_the_program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[list[str]] = []

    def become(_: str, command: list[str]) -> None:
        became.append(command)
        raise SystemExit(0)

    monkeypatch.setattr(os, "execv", become)
    monkeypatch.setattr(sys, "argv", ["client", str(folder / "none.sock"), "program", "code", "5"])
    with pytest.raises(SystemExit):
        launch_client.main()
    assert became == [[sys.executable, "-m", "program", "code", "5"]]


def test_a_fork_without_its_launcher_tells_its_code_itself(folder: Path, server: psutil.Process) -> None:
    (folder / "program.py").write_text("import time\nprint(flush=True)\ntime.sleep(0.5)\nraise SystemExit(9)")
    with client(folder) as process:
        assert process.stdout
        process.stdout.readline()
        server.kill()
        assert process.wait() == 9


@pytest.mark.usefixtures("server")
def test_what_a_program_does_at_its_very_end_is_not_cut_off(folder: Path) -> None:
    (folder / "program.py").write_text(
        "import atexit, time\natexit.register(lambda: (time.sleep(0.5), print('flushed', flush=True)))"
    )
    with client(folder) as process:
        assert process.communicate()[0] == "flushed\n"
