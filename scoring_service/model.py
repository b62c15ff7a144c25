"""The seam between service and model: load, predict, unload, metadata.

A model is loaded from a portable form, never from a pickle. `model/form.json` names the form; a new form is one more
module. The training job accepts a form, and the gate scores champions, through this module too, so what they judge
is what is served.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import msgspec

from scoring_service.linear_model import LinearModel, Weights
from scoring_service.onnx_model import OnnxModel
from scoring_service.schema import Kind
from scoring_service.skops_model import SkopsModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from scoring_service.schema import Rows, Value

Loaded = TypeVar("Loaded")


class ModelError(Exception):
    """The model folder cannot be loaded; the message names the file and what is wrong with it."""


class Model(Protocol):
    """A loaded model."""

    batched: bool
    """Whether many rows at once cost hardly more than one, so that requests should be predicted together."""

    def predict(self, rows: Rows) -> NDArray[np.float64]:
        """Predictions of shape (n,) for rows of shape (n, features), in the order of the schema.

        Rows are float64, or objects where the schema has more than numbers. Raises `RowsRefusedError`.
        """
        ...

    def predict_one(self, row: Sequence[Value]) -> float:
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


class OnnxForm(msgspec.Struct, frozen=True, tag_field="form", tag="onnx"):
    """A graph in `model.onnx`."""


class SkopsForm(msgspec.Struct, frozen=True, tag_field="form", tag="skops"):
    """An estimator in `model.skops`.

    `trusted` are the types that it may hold besides skops' own list; `frame` the kinds of the features if it takes a
    frame, else it takes an array.
    """

    trusted: tuple[str, ...] = ()
    frame: tuple[Kind, ...] | None = None


_FORM: Final = msgspec.json.Decoder(WeightsForm | OnnxForm | SkopsForm)
_WEIGHTS: Final = msgspec.json.Decoder(Weights)


def load_model(folder: Path, features: Sequence[str]) -> Model:
    """Load the portable form in `folder` for rows of these features; raises `ModelError`."""
    form = _decode(folder / "form.json", _FORM)
    if isinstance(form, WeightsForm):
        return _load_weights(folder / "weights.json", features)
    file = folder / ("model.onnx" if isinstance(form, OnnxForm) else "model.skops")
    with _explained(file):
        return OnnxModel.load(file) if isinstance(form, OnnxForm) else _load_skops(file, form, features)


def _load_weights(file: Path, features: Sequence[str]) -> LinearModel:
    weights = _decode(file, _WEIGHTS)
    if len(weights.coefficients) != len(features):
        raise ModelError(f"{file} has {len(weights.coefficients)} coefficients for {len(features)} features")
    return LinearModel(weights)


def _load_skops(file: Path, form: SkopsForm, features: Sequence[str]) -> SkopsModel:
    if form.frame is not None and len(form.frame) != len(features):
        raise ModelError(f"{file} takes {len(form.frame)} columns, there are {len(features)} features")
    frame = None if form.frame is None else dict(zip(features, form.frame, strict=True))
    return SkopsModel.load(file, form.trusted, frame)


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    """Whatever a library raises names the file."""
    try:
        yield
    except ModelError:
        raise
    except ImportError as error:
        raise ModelError(f"{file} needs a package that the image lacks: {error}") from None
    except Exception as error:
        raise ModelError(f"{file} cannot be loaded: {error}") from error


def _decode(file: Path, decoder: msgspec.json.Decoder[Loaded]) -> Loaded:
    try:
        return decoder.decode(file.read_bytes())
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise ModelError(f"{file} cannot be used: {error}") from None
