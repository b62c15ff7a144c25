"""The form of a model that serves: never a pickle, and proven on the holdout before it is accepted.

Linear models become their weights, what skl2onnx can convert an ONNX graph, everything else a skops file. Each form
must reproduce the estimator's holdout predictions (`training.acceptance`), else the next one is tried.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from training import linear, matrix, nested, onnx_file, onnx_steps, packages, skops_file
from training.acceptance import DOUBLE, SINGLE, Acceptance, RejectedError, Tolerance
from training.errors import TrainingError
from training.outputs import write_json
from training.positions import by_position

if TYPE_CHECKING:
    from recipes.recipe import Array, Estimator
    from scoring_service.schema import Feature

Form = Literal["weights", "onnx", "skops"]
Write = Callable[[Path], set[str]]
"""Writes a form and returns the modules that it is read with; raises if the estimator has no such form."""


@dataclass(frozen=True)
class Portable:
    """What was written: its form, what it needs to predict (`name==version`), and how close its predictions are.

    `passed_over` tells of each form before it why it was not taken.
    """

    form: Form
    requirements: tuple[str, ...]
    tolerance: Tolerance
    passed_over: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Attempt:
    form: Form
    allowed: tuple[float, ...]
    write: Write


def write(
    folder: Path, estimator: Estimator, features: pd.DataFrame, expected: Array, declared: Sequence[Feature] = ()
) -> Portable:
    """Write the first form that reproduces `expected`, the predictions for `features`, into `folder`.

    It must also answer as the estimator does what else requests may send: `declared` says it, by default anything.

    Raises:
        TrainingError: No form does; the message tells why for each.
    """
    acceptance = Acceptance.of(estimator, features, expected, declared)
    reasons: list[str] = []
    for attempt in _attempts(estimator, features):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            return replace(_tried(attempt, folder, acceptance), passed_over=tuple(dict.fromkeys(reasons)))
        except RejectedError as error:
            reasons.append(f"{attempt.form}: {error}")
        # Whatever a converter raises for a type that it does not know means only that this form does not fit.
        except Exception as error:
            first = str(error).partition("\n")[0]
            reasons.append(f"{attempt.form}: {type(error).__name__}: {first}")
    shutil.rmtree(folder)
    folder.mkdir()
    told = "; ".join(dict.fromkeys(reasons))
    raise TrainingError(f"{type(estimator).__name__} has no form that can serve: {told}")


def _attempts(estimator: Estimator, features: pd.DataFrame) -> Iterator[_Attempt]:
    yield _Attempt("weights", (DOUBLE,), partial(_write_weights, estimator, features))
    yield _Attempt("onnx", (DOUBLE, SINGLE), partial(_write_onnx, estimator, features, "double"))
    yield _Attempt("onnx", (SINGLE,), partial(_write_onnx, estimator, features, "single"))
    yield _Attempt("skops", (DOUBLE, SINGLE), partial(_write_skops, estimator, features, False))
    yield _Attempt("skops", (DOUBLE, SINGLE), partial(_write_skops, estimator, features, True))


def _tried(attempt: _Attempt, folder: Path, acceptance: Acceptance) -> Portable:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        modules = attempt.write(folder)
    return Portable(attempt.form, packages.pinned({"numpy", *modules}), acceptance.tolerance(folder, attempt.allowed))


def _write_weights(estimator: Estimator, features: pd.DataFrame, folder: Path) -> set[str]:
    weights = linear.weights_of(estimator, list(features.columns))
    if weights is None:
        raise RejectedError("not a linear model")
    write_json(
        folder / "weights.json", {"coefficients": weights.coefficients.tolist(), "intercept": weights.intercept}
    )
    write_json(folder / "form.json", {"form": "weights"})
    return set()


def _write_onnx(
    estimator: Estimator, features: pd.DataFrame, precision: onnx_file.Precision, folder: Path
) -> set[str]:
    onnx_steps.check_estimator(estimator, precision)
    content = onnx_file.convert(estimator, list(features.columns), matrix.kinds(features), precision)
    onnx_steps.check_graph(content, estimator, precision, features)
    (folder / "model.onnx").write_bytes(content)
    write_json(folder / "form.json", {"form": "onnx"})
    return {"onnxruntime"}


def _write_skops(estimator: Estimator, features: pd.DataFrame, as_frame: bool, folder: Path) -> set[str]:
    """Served frames like the features, or arrays of the same columns."""
    served = estimator if as_frame else by_position(estimator, list(features.columns))
    trusted = skops_file.dump(nested.serial(served), folder / "model.skops")
    modules = packages.modules(trusted)
    if ours := packages.homeless(modules):
        raise RejectedError(f"the type comes from {', '.join(ours)}, which no distribution brings into the image")
    frame = matrix.kinds(features) if as_frame else None
    write_json(folder / "form.json", {"form": "skops", "trusted": trusted, "frame": frame})
    return {"sklearn", "skops", *modules, *(("pandas",) if as_frame else ())}
