"""The estimators within an estimator: steps of pipelines, members of ensembles, what a search has found."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import TypeVar

import numpy as np

Fitted = TypeVar("Fitted")


def parts(estimator: object, skipped: tuple[type, ...] = ()) -> Iterator[object]:
    """The estimator and all within it, each once; those of the `skipped` types stay out with all that they hold."""
    seen: set[int] = set()
    waiting = [estimator]
    while waiting:
        found = waiting.pop()
        if id(found) in seen or type(found) in skipped:
            continue
        seen.add(id(found))
        if isinstance(found, Mapping):
            waiting += found.values()
        elif isinstance(found, list | tuple | set | frozenset):
            waiting += found
        elif isinstance(found, np.ndarray):
            waiting += found.ravel().tolist() if found.dtype == object else []
        elif hasattr(found, "get_params") and not isinstance(found, type):
            yield found
            waiting += vars(found).values()


def serial(estimator: Fitted) -> Fitted:
    """A copy that predicts without a pool of workers: a replica has one core, and no memory for them."""
    copied = copy.deepcopy(estimator)
    for part in parts(copied):
        if "n_jobs" in vars(part):
            vars(part)["n_jobs"] = 1
    return copied
