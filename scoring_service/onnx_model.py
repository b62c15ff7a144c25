"""ONNX graphs: forests, boosted trees and one-hot pipelines, run by onnxruntime on one core."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from scoring_service.refusal import RowsRefusedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scoring_service.schema import Rows, Value

    Feed = dict[str, NDArray[Any]]

MATRIX: Final = "input"
"""The input of a graph that takes all features at once, of shape [rows, features]."""
COLUMN: Final = "f"
"""Else the inputs are `f0`, `f1`, …: one per feature that the model uses, of shape [rows, 1]."""
TYPES: Final[Mapping[str, np.dtype[Any]]] = {
    "tensor(double)": np.dtype(np.float64),
    "tensor(float)": np.dtype(np.float32),
    "tensor(int64)": np.dtype(np.int64),
    "tensor(string)": np.dtype(object),
}


class OnnxModel:
    """A graph with one number per row as its first output."""

    batched = False

    def __init__(self, session: Any, refusals: tuple[type[Exception], ...]) -> None:  # noqa: ANN401  # has no types
        import onnxruntime

        self._version = str(onnxruntime.__version__)
        self._run: Callable[[None, Feed], list[NDArray[Any]]] = session.run
        self._refusals = refusals
        self._types = {given.name: TYPES[given.type] for given in session.get_inputs()}
        self._columns = [
            (name, int(name[len(COLUMN) :]), dtype) for name, dtype in self._types.items() if name != MATRIX
        ]
        self._matrix = self._types.get(MATRIX)

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read a graph; raises whatever onnxruntime raises if it is none."""
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        options = onnxruntime.SessionOptions()
        # Threads would only wait for one another: a replica has one core, and a row takes microseconds.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 4
        # Tensors that a graph keeps in other files are looked for where all files were verified.
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(file.parent))
        session = onnxruntime.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])
        return cls(session, (state.Fail, state.InvalidArgument, state.RuntimeException))

    def predict(self, rows: Rows) -> NDArray[np.float64]:
        """Predictions of shape (n,) for rows of shape (n, features)."""
        with np.errstate(over="ignore"):
            feed = self._feed(rows)
        try:
            found = self._run(None, feed)[0]
        except self._refusals as error:
            raise RowsRefusedError(str(error)) from None
        return found.astype(np.float64, copy=False).reshape(len(rows))

    def predict_one(self, row: Sequence[Value]) -> float:
        """The prediction for one row."""
        if self._matrix is None:
            feed = {name: np.array([[row[index]]], dtype) for name, index, dtype in self._columns}
        elif self._matrix.itemsize == 8:
            feed = {MATRIX: np.array([row], self._matrix)}
        else:
            return float(self.predict(np.array([row], np.float64))[0])
        try:
            return float(self._run(None, feed)[0].item())
        except self._refusals as error:
            raise RowsRefusedError(str(error)) from None

    def unload(self) -> None:
        """The session goes with the object."""

    def metadata(self) -> Mapping[str, str]:
        """The form and the library that predicts."""
        return {"form": "onnx", "onnxruntime": self._version}

    def _feed(self, rows: Rows) -> Feed:
        if self._matrix is not None:
            return {MATRIX: rows.astype(self._matrix, copy=False)}
        return {name: rows[:, index : index + 1].astype(dtype) for name, index, dtype in self._columns}
