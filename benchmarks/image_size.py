"""How large the packages of a scoring image are, for each form of a model: `python -m benchmarks.image_size`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from platforms.pins import with_dependencies
from tasks.packaging import SERVICE_PACKAGES

FORMS: Final[Mapping[str, tuple[tuple[str, ...], int]]] = {
    "weights": ((), 100),
    "onnx": (("onnxruntime",), 180),
    "skops": (("scikit-learn", "skops"), 300),
}
"""What a form needs beside the service, and how many MB the image's packages may have with it."""


def megabytes(packages: Iterable[str]) -> float:
    """Size of the packages and of all that they require, as installed here, without compiled bytecode."""
    return sum(map(_size, with_dependencies(packages))) / 1e6


def table() -> str:
    """One line for each form."""
    lines = ["| form | packages | MB | limit |", "|---|---|---|---|"]
    for form, (packages, limit) in FORMS.items():
        needed = with_dependencies((*SERVICE_PACKAGES, *packages))
        lines.append(f"| {form} | {', '.join(sorted(needed))} | {megabytes(needed):.0f} | {limit} |")
    return "\n".join(lines)


def _size(package: str) -> int:
    names = (file for file in distribution(package).files or () if file.suffix != ".pyc")
    files = (Path(str(name.locate())) for name in names)
    return sum(file.stat().st_size for file in files if file.is_file())


if __name__ == "__main__":
    print(table())
