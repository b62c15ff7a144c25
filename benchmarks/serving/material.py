"""What peers load and are asked: the trained estimator in their formats, and the same rows in every protocol."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from training import outputs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.float64]

COUNTS: Final = (1, 1000)
"""Rows of a request."""


def write(home: Path, job: Path) -> None:
    """Write models and bodies, and what the right answers are."""
    import joblib  # type: ignore[import-untyped]  # has no types

    estimator = estimator_of(job)
    joblib.dump(estimator, home / "model.joblib")
    for name, batching in (("mlserver", {}), ("mlserver-batching", {"max_batch_size": 64, "max_batch_time": 0.002})):
        _write_mlserver(home, name, batching)
    for count in COUNTS:
        rows = _rows(count)
        (home / f"expected-{count}.json").write_text(json.dumps(estimator.predict(rows).tolist()))
        for kind, encode in BODIES.items():
            (home / f"{kind}-{count}").write_bytes(encode(rows))


def expected(home: Path, count: int) -> list[float]:
    """The right predictions for a body of `count` rows."""
    found: list[float] = json.loads((home / f"expected-{count}.json").read_text())
    return found


def estimator_of(job: Path) -> Any:  # noqa: ANN401  # any estimator
    """The estimator that the job trained, without its memory of column names, so that it takes arrays silently."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    import mlflow.sklearn

    estimator = mlflow.sklearn.load_model(str(job / outputs.MODEL))
    del estimator.feature_names_in_
    return estimator


def binary_head(count: int) -> bytes:
    """The JSON before the tensor of a binary request for `count` rows."""
    size = count * len(_names()) * 8
    tensor = {**_tensor("input", [count, len(_names())]), "parameters": {"binary_data_size": size}}
    return _json({"inputs": [tensor], "parameters": {"binary_data_output": True}})


def _names() -> Sequence[str]:
    from recipes import catalog

    return catalog.load("diabetes").features


def _rows(count: int) -> Rows:
    from recipes import catalog

    frame = catalog.load("diabetes").seed_data()[list(_names())]
    rows: Rows = frame.iloc[[index % len(frame) for index in range(count)]].round(6).to_numpy()
    return rows


def _json(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _tensor(name: str, shape: list[int]) -> dict[str, object]:
    return {"name": name, "datatype": "FP64", "shape": shape}


def _v2(rows: Rows) -> bytes:
    return _json({"inputs": [{**_tensor("input", list(rows.shape)), "data": rows.ravel().tolist()}]})


def _v2_columns(rows: Rows) -> bytes:
    columns = zip(_names(), rows.T, strict=True)
    return _json({"inputs": [{**_tensor(name, [len(rows)]), "data": values.tolist()} for name, values in columns]})


BODIES: Final[dict[str, Callable[[Rows], bytes]]] = {
    "rows": lambda rows: _json({"data": rows.tolist()}),
    "named": lambda rows: _json({"rows": rows.tolist()}),
    "split": lambda rows: _json({"dataframe_split": {"columns": list(_names()), "data": rows.tolist()}}),
    "v2": _v2,
    "v2-columns": _v2_columns,
    "v2-binary": lambda rows: binary_head(len(rows)) + rows.tobytes(),
}


def _write_mlserver(home: Path, name: str, batching: dict[str, float]) -> None:
    folder = home / name
    folder.mkdir(exist_ok=True)
    model = {
        "name": "diabetes",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": str(home / "model.joblib")},
        **batching,
    }
    (folder / "model-settings.json").write_text(json.dumps(model))
