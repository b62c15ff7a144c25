"""Contexts of a model whose rows are not only numbers."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from recipes.serving_schema import serving_schema
from tests.recipes import flats
from tests.scoring_service.contexts import make_context, write_json, write_manifest
from training import portable

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
    make_context(folder, recipe="flats")
    write_json(folder / "schema.json", serving_schema(flats.recipe))
    estimator = fitted(kind)
    portable.write(folder / "model", estimator, FEATURES, np.asarray(estimator.predict(FEATURES)))
    write_manifest(folder)
    return folder
