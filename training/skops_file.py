"""Estimators as skops files whose bytes depend on the estimator only.

skops names objects by their address in memory and dates the archive's entries; here both are replaced by constants,
so that the same training gives the same digest.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Final

from skops import io as skops_io

_SCHEMA: Final = "schema.json"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def dump(estimator: object, path: Path) -> list[str]:
    """Write the estimator; returns the types that a reader must trust beside those that skops knows."""
    content = _stable(skops_io.dumps(estimator))
    path.write_bytes(content)
    return untrusted(estimator)


def untrusted(estimator: object) -> list[str]:
    """The types within the estimator that skops does not know."""
    return sorted(skops_io.get_untrusted_types(data=skops_io.dumps(estimator)))


def _stable(content: bytes) -> bytes:
    source = zipfile.ZipFile(io.BytesIO(content))
    names: dict[str, str] = {}
    schema = _renumbered(json.loads(source.read(_SCHEMA)), {}, names)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for old, new in names.items():
            archive.writestr(zipfile.ZipInfo(new, _EPOCH), source.read(old))
        archive.writestr(zipfile.ZipInfo(_SCHEMA, _EPOCH), json.dumps(schema))
    return target.getvalue()


def _renumbered(node: object, numbers: dict[int, int], names: dict[str, str]) -> object:
    """The node with addresses and file names counted in the order in which they occur."""
    if isinstance(node, list):
        return [_renumbered(item, numbers, names) for item in node]
    if not isinstance(node, dict):
        return node
    changed = {key: _renumbered(value, numbers, names) for key, value in node.items()}
    if "__id__" in node:
        changed["__id__"] = numbers.setdefault(node["__id__"], len(numbers))
    if isinstance(node.get("file"), str) and "__loader__" in node:
        suffix = Path(node["file"]).suffix
        changed["file"] = names.setdefault(node["file"], f"{len(names)}{suffix}")
    return changed
