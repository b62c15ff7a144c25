"""Every setting of the shipper, read from the environment variables `SHIPPER_…`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "SHIPPER_"


class Settings(BaseSettings):
    """What can be set. A field `x_y` is the environment variable `SHIPPER_X_Y`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    log_dir: Path
    """Folder of the request log; segments in folders below it are shipped too."""

    interval: float = Field(default=5.0, gt=0)
    """Seconds between two looks at the folder."""

    longest_pause: float = Field(default=60.0, gt=0)
    """Longest time in seconds between two tries while the storage fails; it doubles from 1 s on."""

    nice: int = Field(default=19, ge=0, le=19)
    """How far the shipper stands back for the replicas: 19 leaves it what they do not use, 0 makes it their equal."""
