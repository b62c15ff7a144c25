"""Contexts of a model whose rows are not only numbers."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from tests.recipes import flats
from tests.scoring_service.contexts import make_fitted

FEATURES = flats.rows()[list(flats.recipe.features)]


@functools.cache
def fitted(kind: str) -> Any:  # noqa: ANN401  # scikit-learn has no types
    """A fitted estimator, for each process once: `one_hot` and `strict` become ONNX, `encoded` skops."""
    makers = {
        "one_hot": flats.boosted,
        "strict": lambda: flats.one_hot(flats.boosted()[-1], "error"),
        "encoded": flats.target_encoded,
    }
    return makers[kind]().fit(FEATURES, flats.rows()["rent"])


def make_flats(folder: Path, kind: str = "one_hot") -> Path:
    """Write a complete context into the new folder and return it."""
    return make_fitted(folder, flats.recipe, fitted(kind), FEATURES)
