"""`ridgeline doctor`: one line for each thing that an installation needs, and what to do where something is wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from platforms.local.diagnosis import Check
    from platforms.settings import Settings

    Examination = Callable[[], Iterable[Check]]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
def doctor(as_json: bool) -> None:
    """Look at versions, disks, ports, services, leftovers, recipes, server and runs, and say what to do.

    Changes nothing. The exit code is 0 if there is no problem, warnings or not, and 1 otherwise.
    """
    from platforms.settings import Settings

    checks = list(examine(Settings()))
    healthy = all(check.status != "problem" for check in checks)
    if as_json:
        click.echo(json.dumps({"ok": healthy, "checks": [asdict(check) for check in checks]}, indent=2))
    else:
        click.echo("\n".join(map(_line, checks)))
    sys.exit(not healthy)


def examine(settings: Settings) -> Iterator[Check]:
    """Every check, one after the other; one that cannot be made is a problem and hinders no other."""
    from cli import installation, recipe_health
    from platforms.local import control, diagnosis, leftovers

    examinations: dict[str, Examination] = {
        "installation": installation.check,
        "disk": lambda: diagnosis.disks(settings),
        "ports": lambda: diagnosis.network(settings),
        "services": lambda: diagnosis.running(settings),
        "processes": lambda: leftovers.orphans(settings),
        "folders": lambda: leftovers.folders(settings),
        "recipes": recipe_health.check,
    }
    if control.running(settings.state_dir):
        examinations["endpoints"] = lambda: diagnosis.endpoints(settings)
        examinations["server"] = lambda: _ask_server(settings)
    for name, examination in examinations.items():
        yield from _guarded(name, examination)


def _ask_server(settings: Settings) -> Iterable[Check]:
    """Become a client first: importing Prefect takes seconds, so nothing else waits for it."""
    from platforms.local import control

    control.adopt(settings)
    from cli import server_health

    return server_health.check(settings)


def _guarded(name: str, examination: Examination) -> Iterator[Check]:
    from platforms.local.diagnosis import Check

    try:
        yield from examination()
    except Exception as error:  # Whatever breaks a check is what the doctor was asked to find.
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:400]
        yield Check(name, "problem", f"cannot be checked: {reason}", "see `ridgeline status` and the services' logs")


def _line(check: Check) -> str:
    advice = f" -> {check.advice}" if check.advice else ""
    return f"{check.status:8} {check.name:12} {check.message}{advice}"
