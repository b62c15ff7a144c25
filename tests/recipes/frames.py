"""Batches as frames: held against a recipe's schema in one chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from recipes.batches import Checker
from recipes.findings import Finding
from recipes.recipe import Recipe

if TYPE_CHECKING:
    from recipes.repeats import Hashes


def validate(recipe: Recipe, frame: pd.DataFrame) -> list[Finding]:
    """Everything in `frame` that breaks the recipe's schema; the order of columns is free."""
    checker = Checker(recipe, pandas_hash)
    checker.check_columns([str(name) for name in frame.columns])
    if not checker.broken:
        checker.check(_chunk(frame))
    return checker.findings()


def conform(recipe: Recipe, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the schema's columns in its order and of its types; call it on frames without findings."""
    found: pd.DataFrame = Checker(recipe, pandas_hash).check(_chunk(frame)).to_pandas()
    return found


def pandas_hash(rows: pa.RecordBatch) -> Hashes:
    """64 bits per row, as pandas hashes them."""
    return np.asarray(pd.util.hash_pandas_object(rows.to_pandas(), index=False), dtype="u8")


def _chunk(frame: pd.DataFrame) -> pa.RecordBatch:
    return pa.RecordBatch.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
