"""FastAPI as its users serve a scikit-learn model."""

from __future__ import annotations

import os

import joblib  # type: ignore[import-untyped]  # has no types
import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
model = joblib.load(os.environ["MODEL"])


class Rows(BaseModel):
    data: list[list[float]]


class Result(BaseModel):
    result: list[float]


@app.post("/score")
async def score(rows: Rows) -> Result:
    return Result(result=model.predict(np.array(rows.data)).tolist())
