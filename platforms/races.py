"""How writers race: each looks, writes what it expects to be next, and looks again if another was faster."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Final

ATTEMPTS: Final = 60


def attempts() -> Iterator[int]:
    """The numbers of a racing writer's attempts; after each it waits a random while, longer each time."""
    for attempt in range(ATTEMPTS):
        yield attempt
        time.sleep(random.uniform(0, 0.01 * min(attempt + 1, 20)))
