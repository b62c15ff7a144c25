"""Valid image contexts, for every test that needs one."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

    from recipes.recipe import Recipe

SERVICE = Path(__file__).resolve().parents[2] / "scoring_service"
NAMES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
COEFFICIENTS = (-10.0, -240.5, 520.25, 324.0, -792.5, 476.75, 101.0, 177.0, 751.25, 67.5)
INTERCEPT = 152.125
ROW = (0.01, -0.02, 0.03, 0.04, -0.05, 0.06, 0.07, -0.08, 0.09, 0.1)
PACKAGES = ("httptools", "msgspec", "numpy", "uvloop")

Form = Literal["weights", "skops"]


def make_context(
    folder: Path,
    form: Form = "weights",
    *,
    recipe: str = "diabetes",
    names: Sequence[str] = NAMES,
    intercept: float = INTERCEPT,
    packages: Sequence[str] = PACKAGES,
) -> Path:
    """Write a complete context into the new folder and return it; different intercepts give different digests."""
    shutil.copytree(SERVICE, folder / "scoring_service", ignore=shutil.ignore_patterns("__pycache__"))
    pins = "".join(f"{name}=={version(name)}\n" for name in packages)
    (folder / "requirements.txt").write_text(pins)
    (folder / "conda.yaml").write_text("name: scoring\n")
    (folder / "Dockerfile").write_text("FROM python:3.11-slim\nCOPY . .\n")
    features = [{"name": name, "type": "number", "minimum": -0.3, "maximum": 0.3} for name in names]
    write_json(folder / "schema.json", {"recipe": recipe, "target": "Y", "features": features})
    (folder / "model").mkdir()
    if form == "weights":
        write_json(folder / "model" / "form.json", {"form": "weights"})
        coefficients = [COEFFICIENTS[index % len(COEFFICIENTS)] for index in range(len(names))]
        write_json(folder / "model" / "weights.json", {"coefficients": coefficients, "intercept": intercept})
    else:
        _write_skops(folder / "model")
    write_manifest(folder)
    return folder


def make_fitted(folder: Path, recipe: Recipe, estimator: Any, features: pd.DataFrame) -> Path:  # noqa: ANN401  # no types
    """Write a complete context of a recipe's fitted estimator into the new folder and return it."""
    import numpy as np

    from recipes.serving_schema import serving_schema
    from scoring_service.schema import Schema
    from training import portable

    make_context(folder, recipe=recipe.name)
    write_json(folder / "schema.json", serving_schema(recipe))
    expected = np.asarray(estimator.predict(features))
    declared = Schema.read(folder / "schema.json").features
    portable.write(folder / "model", estimator, features, expected, declared)
    write_manifest(folder)
    return folder


def write_manifest(folder: Path) -> None:
    """(Re)write the manifest of what the folder holds now."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != "manifest.json")
    digests = {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    write_json(folder / "manifest.json", {"files": digests})


def with_dockerfile(context: Path, dockerfile: str) -> Path:
    """The context with another Dockerfile."""
    (context / "Dockerfile").write_text(dockerfile)
    write_manifest(context)
    return context


def write_json(file: Path, content: object) -> None:
    file.write_text(json.dumps(content))


def _write_skops(model: Path) -> None:
    import numpy as np
    import skops.io
    from sklearn.linear_model import Ridge

    rows = np.random.default_rng(0).uniform(-0.1, 0.1, (50, len(NAMES)))
    estimator = Ridge(alpha=0.4).fit(rows, INTERCEPT + rows @ np.array(COEFFICIENTS))
    skops.io.dump(estimator, model / "model.skops")
    write_json(model / "form.json", {"form": "skops", "trusted": []})
