"""The seam between service and model: load, predict, unload, metadata.

A model is loaded from a portable form, never from a pickle. `model/form.json` names the form; a new form is one
more class here. The gate scores champions through this module too, so what it compares is what is served.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, Protocol, TypeVar

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


Decoded = TypeVar("Decoded")


class ModelError(Exception):
    """The model folder cannot be loaded; the message names the file and what is wrong with it."""


class Model(Protocol):
    """A loaded model."""

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predictions of shape (n,) for rows of shape (n, features), in the order of the schema."""
        ...

    def predict_one(self, row: Sequence[float]) -> float:
        """The prediction for one row: what `predict` gives for it."""
        ...

    def unload(self) -> None:
        """Free what the model holds; it is not used afterwards."""
        ...

    def metadata(self) -> Mapping[str, str]:
        """What to tell about the model: its form, and versions that matter."""
        ...


class WeightsForm(msgspec.Struct, frozen=True, tag_field="form", tag="weights"):
    """A linear model in `weights.json`."""


class SkopsForm(msgspec.Struct, frozen=True, tag_field="form", tag="skops"):
    """An estimator in `model.skops`; `trusted` are the types that it may hold besides skops' own list."""

    trusted: tuple[str, ...] = ()
    input: Literal["array", "frame"] = "array"


class Weights(msgspec.Struct, frozen=True):
    """Coefficients in the order of the schema."""

    coefficients: Annotated[tuple[float, ...], msgspec.Meta(min_length=1)]
    intercept: float


_FORM: Final = msgspec.json.Decoder(WeightsForm | SkopsForm)
_WEIGHTS: Final = msgspec.json.Decoder(Weights)


class LinearModel:
    """intercept + row · coefficients, summed feature by feature.

    Law: one row alone and the same row within any batch give the same bits, because both add in the same order.
    """

    def __init__(self, weights: Weights) -> None:
        self._coefficients = weights.coefficients
        self._intercept = weights.intercept

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predictions of shape (n,) for rows of shape (n, features)."""
        if rows.shape[1:] != (len(self._coefficients),):
            raise ValueError(f"rows of shape {rows.shape} do not fit {len(self._coefficients)} coefficients")
        total = np.full(len(rows), self._intercept)
        with np.errstate(over="ignore", invalid="ignore"):
            for coefficient, column in zip(self._coefficients, rows.T, strict=True):
                total += coefficient * column
        return total

    def predict_one(self, row: Sequence[float]) -> float:
        """The prediction for one row, without numpy: it would take longer to build the array."""
        total = self._intercept
        for coefficient, value in zip(self._coefficients, row, strict=True):
            total += coefficient * value
        return total

    def unload(self) -> None:
        """Nothing is held."""

    def metadata(self) -> Mapping[str, str]:
        """The form."""
        return {"form": "weights"}


class _Estimator(Protocol):
    def predict(self, rows: object) -> NDArray[np.float64]: ...


class SkopsModel:
    """A scikit-learn estimator, restored by skops from a list of trusted types."""

    def __init__(self, estimator: _Estimator, columns: Sequence[str] | None) -> None:
        self._estimator = estimator
        self._columns = columns

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predictions of shape (n,) for rows of shape (n, features)."""
        return np.asarray(self._estimator.predict(self._input(rows)), dtype=np.float64).reshape(len(rows))

    def predict_one(self, row: Sequence[float]) -> float:
        """The prediction for one row."""
        return float(self.predict(np.array([row], dtype=np.float64))[0])

    def unload(self) -> None:
        """The estimator goes with the object."""

    def metadata(self) -> Mapping[str, str]:
        """The form and the library that predicts."""
        import sklearn

        return {"form": "skops", "scikit-learn": sklearn.__version__}

    def _input(self, rows: NDArray[np.float64]) -> object:
        if self._columns is None:
            return rows
        import pandas as pd

        return pd.DataFrame(rows, columns=list(self._columns))


def load_model(folder: Path, features: Sequence[str]) -> Model:
    """Load the portable form in `folder` for rows of these features; raises `ModelError`."""
    form = _decode(folder / "form.json", _FORM)
    if isinstance(form, WeightsForm):
        return _load_weights(folder / "weights.json", features)
    return _load_skops(folder / "model.skops", form, features)


def _load_weights(file: Path, features: Sequence[str]) -> LinearModel:
    weights = _decode(file, _WEIGHTS)
    if len(weights.coefficients) != len(features):
        raise ModelError(f"{file} has {len(weights.coefficients)} coefficients for {len(features)} features")
    return LinearModel(weights)


def _load_skops(file: Path, form: SkopsForm, features: Sequence[str]) -> SkopsModel:
    try:
        from skops.io import load
    except ImportError as error:
        raise ModelError(f"{file} needs skops and scikit-learn in the image: {error}") from None
    try:
        estimator = load(file, trusted=list(form.trusted))
    except Exception as error:
        raise ModelError(f"{file} cannot be loaded: {error}") from error
    return SkopsModel(estimator, features if form.input == "frame" else None)


def _decode(file: Path, decoder: msgspec.json.Decoder[Decoded]) -> Decoded:
    try:
        return decoder.decode(file.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise ModelError(f"{file} cannot be used: {error}") from None
