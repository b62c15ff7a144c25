"""The estimators within an estimator: steps of pipelines, members of ensembles, what a search has found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np


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
