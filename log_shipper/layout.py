"""Where shipped records are: `scoring-logs/<recipe>/<environment>/date=YYYY-MM-DD/<segment>.parquet`.

The date is the day of the records' own `time`, in UTC, so whoever reads an interval opens its days and no others. A
segment that spans midnight becomes one file in each of its days. Names of segments are unique for ever, so two files
of one name hold records of one segment.
"""

from __future__ import annotations

from datetime import date
from pathlib import PurePosixPath
from typing import Final

AREA: Final = "scoring-logs"
SUFFIX: Final = ".parquet"
DAY: Final = "date="


def folder(recipe: str, environment: str, day: date) -> str:
    """The folder of one endpoint's records of one day, with `/` at its end."""
    return f"{AREA}/{recipe}/{environment}/{DAY}{day:%Y-%m-%d}/"


def path(recipe: str, environment: str, day: date, segment: str) -> str:
    """Where the records of one segment and day are stored."""
    return f"{folder(recipe, environment, day)}{segment}{SUFFIX}"


def segment_of(path: str) -> str:
    """The name of the segment whose records are in this blob."""
    return PurePosixPath(path).name.removesuffix(SUFFIX)


def day_of(path: str) -> date | None:
    """The day whose records are in this blob; None if it is no blob of ours."""
    name = PurePosixPath(path).parent.name
    try:
        return date.fromisoformat(name.removeprefix(DAY)) if name.startswith(DAY) and path.endswith(SUFFIX) else None
    except ValueError:
        return None
