"""The `.env` file of the clone, by which `prefect` and `ridgeline` find the running server."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values, set_key, unset_key

from platforms.settings import ENV_FILE, ROOT, Settings

PORTS = ("prefect_port", "qa_port", "prod_port", "mlflow_port")


def write(settings: Settings, file: Path = ENV_FILE) -> None:
    """Point the file at the services of these settings, in one step; lines of other keys stay as they are."""
    new = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        if file.exists():
            shutil.copy(file, new)
        else:
            new.touch()
        _fill(new, _values(settings, ROOT))
        new.replace(file)
    finally:
        # Connection strings may stand in it.
        new.unlink(missing_ok=True)


def _fill(file: Path, values: Mapping[str, str | None]) -> None:
    present = dotenv_values(file)
    for key, value in values.items():
        if value is not None:
            set_key(file, key, value, quote_mode="auto")
        elif key in present:
            unset_key(file, key)


def _values(settings: Settings, clone: Path) -> dict[str, str | None]:
    """Every key that the file owns; None for one that shall not stand in it."""
    state = settings.state_dir
    relative = state.relative_to(clone) if state.is_relative_to(clone) else state
    ports = {name: getattr(settings, name) for name in PORTS}
    return {
        "PREFECT_API_URL": f"{settings.prefect_url}/api",
        "PREFECT_HOME": str(state / "prefect"),
        "RIDGELINE_STATE": str(relative),
        **{
            f"RIDGELINE_{name.upper()}": None if port == Settings.model_fields[name].default else str(port)
            for name, port in ports.items()
        },
    }
