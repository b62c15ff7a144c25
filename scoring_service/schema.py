"""What a row looks like, as `schema.json` in the image says."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self, TypeAlias

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows: TypeAlias = NDArray[np.float64] | NDArray[np.object_]
    """Rows as models take them, of shape (rows, features); objects where the schema has more than numbers."""

Kind: TypeAlias = Literal["number", "integer", "boolean", "string"]
Value: TypeAlias = float | str
"""One field of a row; integers and booleans are floats to the type checker."""
MISSING: Final = math.nan
"""The value of a nullable feature that a row lacks; what JSON says as null, to models and in matrices."""
NUMBERS: Final = frozenset({"number", "integer"})


class SchemaError(Exception):
    """`schema.json` cannot be used; the message says why."""


class Feature(msgspec.Struct, frozen=True):
    """One column of a row; bounds are inclusive, None is unbounded. `values` are all that there may be.

    A row may lack the value of a `nullable` one, which only a number can be.
    """

    name: str
    type: Kind
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[Value, ...] | None = None
    nullable: bool = False

    def __post_init__(self) -> None:
        if self.nullable and self.type != "number":
            raise ValueError(f"{self.name!r} is nullable, which only a number can be")


class Schema(msgspec.Struct, frozen=True):
    """The features in the order that the model takes them, and what it predicts from them."""

    recipe: str
    target: str
    features: Annotated[tuple[Feature, ...], msgspec.Meta(min_length=1)]

    def __post_init__(self) -> None:
        repeated = sorted({name for name in self.names if self.names.count(name) > 1})
        if repeated:
            raise ValueError(f"features {repeated} occur more than once")

    @property
    def names(self) -> list[str]:
        """The names of the features, in order."""
        return [feature.name for feature in self.features]

    @property
    def nullable(self) -> frozenset[str]:
        """The names of the features whose values a row may lack."""
        return frozenset(feature.name for feature in self.features if feature.nullable)

    @property
    def numeric(self) -> bool:
        """Whether every feature is a number."""
        return all(feature.type in NUMBERS for feature in self.features)

    @property
    def real(self) -> bool:
        """Whether every feature takes any number, so that float64 holds each value as it was sent."""
        return all(feature.type == "number" for feature in self.features)

    @classmethod
    def read(cls, file: Path) -> Self:
        """The schema in a file; raises `SchemaError`."""
        try:
            return msgspec.json.decode(file.read_bytes(), type=cls)
        except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
            raise SchemaError(f"{file} cannot be used: {error}") from None
