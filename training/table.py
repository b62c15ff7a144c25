"""The rows that the job learns from: one pinned version of the recipe's Delta table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from recipes.recipe import Recipe
from training.errors import TrainingError

if TYPE_CHECKING:
    import pandas as pd

ARRIVAL: Final = ["_version", "_row"]


def read(recipe: Recipe, uri: str, version: int) -> pd.DataFrame:
    """All rows of the version with the recipe's columns, in the order of arrival.

    Raises:
        TrainingError: There is no such table or version, or it lacks a column.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        dataset = DeltaTable(uri, version=version).to_pyarrow_dataset()
    except DeltaError as error:
        raise TrainingError(f"version {version} of the table at {uri} cannot be read: {error}") from None
    columns = [*recipe.columns, *ARRIVAL]
    missing = [name for name in columns if name not in dataset.schema.names]
    if missing:
        raise TrainingError(f"the table at {uri} lacks {missing}: it was written for another schema")
    rows = dataset.to_table(columns=columns)
    frame: pd.DataFrame = rows.to_pandas()
    for name in recipe.identifiers:
        # Beside a missing one pandas makes integers floats, and large ones other entities.
        if rows.column(name).null_count:
            frame[name] = rows.column(name).to_pandas(integer_object_nulls=True)
    return frame.sort_values(ARRIVAL, kind="stable")[list(recipe.columns)].reset_index(drop=True)
