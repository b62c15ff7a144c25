"""The faults that pass, as parameters of a test: one of them in `make test`, all in `make test-long`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import pytest

from tests.emulator.faults import PASSING, Fault, Kind
from tests.emulator.world import World

Trouble = Callable[[World], AbstractContextManager[None]]

SERVICES: Final = ("/ridgelineoffline/", "/subscriptions/", "/history/", "/secrets/", "/clusters/")
MOMENTS: Final = (0, 7, 25)
"""After how many requests to a service a fault strikes again."""

QUICK: Final = "drop-answer"
"""Azure has done it without saying so; the others are like it. (It throttles a whole retrain in `test_flows`.)"""
KINDS: Final = [pytest.param(kind, marks=() if kind == QUICK else pytest.mark.long) for kind in PASSING]


def every_service(kind: Kind) -> Trouble:
    """A fault that hits each service two times in a row, at several moments."""

    @contextmanager
    def trouble(world: World) -> Iterator[None]:
        faults = [Fault(kind, path, times=2, skip=skip) for path in SERVICES for skip in MOMENTS]
        with world.faults.on(*faults):
            yield
        assert any(fault.hits for fault in faults)

    return trouble
