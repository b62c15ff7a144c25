"""Settings of the scoring service that an installation hands to every replica, on whichever platform.

They are the variables `SCORING_…` of its environment, without those that say what a replica is and where it runs:
these are the platform's to say.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from platforms.errors import PlatformError
from scoring_service.settings import PREFIX, Settings, SettingsError

KEYS_FILE: Final = f"{PREFIX}KEYS_FILE"
PLATFORMS_OWN: Final = frozenset(
    {KEYS_FILE}
    | {f"{PREFIX}{name}" for name in ("HOST", "PORT", "LISTEN_FD", "READY_FD", "ALIVE_FD", "CONTEXT", "LOG_DIR")}
    | {f"{PREFIX}{name}" for name in ("MODEL_VERSION", "IMAGE_DIGEST", "ENVIRONMENT", "DRAIN_SECONDS")}
)
"""What nobody but the platform may set."""


def to_hand_on() -> dict[str, str]:
    """What this process's environment hands to every replica; raises `PlatformError` for a value that cannot be."""
    given = handed_on(os.environ)
    try:
        Settings.read({KEYS_FILE: "the platform's", **given})
    except SettingsError as error:
        raise PlatformError(f"{error}; mend it in the environment of `ridgeline up`") from None
    return given


def handed_on(variables: Mapping[str, str]) -> dict[str, str]:
    """What of these variables is handed on, in the order of its names; of a replica's own, what it was given.

    One that is empty counts as unset, as the service takes it.
    """
    return {name: value for name, value in _of_service(variables).items() if name not in PLATFORMS_OWN}


def same(variables: Mapping[str, str], others: Mapping[str, str]) -> bool:
    """Whether the service would see no difference between two environments."""
    return _of_service(variables) == _of_service(others)


def _of_service(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in sorted(variables.items()) if name.startswith(PREFIX) and value}
