"""The entry script of Azure ML's inference server, as its documentation writes it."""

from __future__ import annotations

import json
import os

import joblib  # type: ignore[import-untyped]  # has no types
import numpy as np

model = None


def init() -> None:
    global model
    model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.joblib"))


def run(raw: str) -> dict[str, list[float]]:
    assert model is not None
    return {"result": model.predict(np.array(json.loads(raw)["data"])).tolist()}
