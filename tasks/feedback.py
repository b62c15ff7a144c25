"""What production answered, for whoever learns from it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from platforms.selection import current
from platforms.values import ScoredRequest

EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(9999, 12, 31, tzinfo=UTC)


def logged_requests(recipe: str, since: datetime = EARLIEST, until: datetime = LATEST) -> Iterator[ScoredRequest]:
    """Every acknowledged request to a recipe's endpoints in `[since, until)`, shipped or not, each once.

    They come one by one in no particular order; requests of a release's API tests are among them, with ids that
    begin with `tasks.contract.TEST_ID`.

    Raises:
        PlatformError: A part of the log cannot be read; the message names it.
    """
    return current().traffic.read(recipe, since, until)
