"""Two pictures of the holdout: residuals, and predicted against actual. Same numbers, same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from recipes.recipe import Array


def write(folder: Path, target: str, actual: Array, predicted: Array) -> None:
    """Write `residuals.png` and `predicted.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    figure, axes = _figure(f"predicted {target}", f"actual - predicted {target}")
    axes.scatter(predicted, actual - predicted, s=14, alpha=0.7)
    axes.axhline(0, color="black", linewidth=1)
    _save(figure, folder / "residuals.png")
    figure, axes = _figure(f"actual {target}", f"predicted {target}")
    axes.scatter(actual, predicted, s=14, alpha=0.7)
    axes.axline((float(actual.mean()),) * 2, slope=1, color="black", linewidth=1)
    _save(figure, folder / "predicted.png")


def _figure(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6, 4), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    # The target may have dollars in its name, which are no formula.
    axes.set_xlabel(x, parse_math=False)
    axes.set_ylabel(y, parse_math=False)
    axes.grid(alpha=0.3)
    return figure, axes


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, format="png", metadata={"Software": None})
