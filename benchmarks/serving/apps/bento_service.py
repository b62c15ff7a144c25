"""A BentoML service, as its documentation writes it."""

import os

import bentoml  # type: ignore[import-not-found]  # stands in its own environment only
import joblib  # type: ignore[import-untyped]  # has no types
import numpy as np


@bentoml.service(workers=1)
class Diabetes:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api  # type: ignore[untyped-decorator]  # see above
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.model.predict(rows)  # type: ignore[no-any-return]  # see above
