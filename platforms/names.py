"""Names that stay inside their folder, whatever it is a folder of."""

from __future__ import annotations

import re
from typing import Final

from platforms.errors import PlatformError

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def checked(kind: str, name: str) -> str:
    """The name, if it can be the name of a file; raises `PlatformError`."""
    if not _NAME.fullmatch(name):
        raise PlatformError(f"{kind} {name!r} is no valid name: use letters, digits, '.', '_' and '-'")
    return name
