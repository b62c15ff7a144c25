"""Whether what is installed is what the clone asks for: Python, packages, uv, and the last `make setup`."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from platforms.local.diagnosis import Check
from platforms.settings import ROOT

ADVICE: Final = "`make setup`"
STAMP: Final = ".ridgeline-setup"
PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def check(clone: Path = ROOT, environment: Path | None = None) -> Iterator[Check]:
    """Check the environment that runs against the clone's pyproject.toml and requirements.lock."""
    project = tomllib.loads((clone / "pyproject.toml").read_text())["project"]
    yield _python(str(project["requires-python"]))
    yield from _packages([Requirement(text) for text in project["dependencies"]], _pins(clone))
    yield _uv()
    yield _setup(clone, environment or Path(sys.prefix))


def _python(wanted: str) -> Check:
    version = platform.python_version()
    if SpecifierSet(wanted).contains(version, prereleases=True):
        return Check("python", "ok", f"{version} (wanted {wanted})")
    return Check("python", "problem", f"{version}, wanted {wanted}", "`make setup PYTHON=…` in a fresh clone")


def _packages(wanted: list[Requirement], pins: dict[str, set[str]]) -> Iterator[Check]:
    wrong = 0
    for requirement in wanted:
        name, found = requirement.name, _installed(requirement.name)
        if found is None or not requirement.specifier.contains(found, prereleases=True):
            wrong += 1
            yield Check("packages", "problem", f"{name} is {found or 'missing'}, wanted {requirement}", ADVICE)
        elif found not in pins.get(canonicalize_name(name), {found}):
            wrong += 1
            locked = " or ".join(sorted(pins[canonicalize_name(name)]))
            yield Check("packages", "warning", f"{name} is {found}, requirements.lock has {locked}", ADVICE)
    if not wrong:
        yield Check("packages", "ok", f"{len(wanted)} packages are as locked, prefect {_installed('prefect')}")


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _pins(clone: Path) -> dict[str, set[str]]:
    """The locked versions by name; a package may have one for each kind of machine."""
    found: dict[str, set[str]] = {}
    for name, version in PIN.findall((clone / "requirements.lock").read_text()):
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


def _uv() -> Check:
    import uv

    try:
        done = subprocess.run([uv.find_uv_bin(), "--version"], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        return Check("uv", "problem", f"does not run, so no image can be built: {error}", ADVICE)
    return Check("uv", "ok", done.stdout.strip())


def _setup(clone: Path, environment: Path) -> Check:
    stamp = environment / STAMP
    if not stamp.exists():
        return Check("setup", "warning", f"{environment} was not made by `make setup`", ADVICE)
    changed = [name for name in ("pyproject.toml", "requirements.lock") if _newer(clone / name, stamp)]
    if changed:
        return Check("setup", "warning", f"{' and '.join(changed)} changed since the last setup", ADVICE)
    return Check("setup", "ok", "nothing that is locked has changed since `make setup`")


def _newer(file: Path, than: Path) -> bool:
    return file.stat().st_mtime > than.stat().st_mtime
