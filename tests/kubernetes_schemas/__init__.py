"""Manifests against the schemas of Kubernetes, which `scripts/kubernetes_schemas.py` has written beside this file."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator, ValidationError  # type: ignore[import-untyped]  # has no types

VERSIONS: Final = ("1.30", "1.37")
"""The oldest version whose nodes stop replicas as our template says, and the newest at hand."""

__all__ = ["VERSIONS", "ValidationError", "validate"]


def validate(manifest: Mapping[str, Any], version: str) -> None:
    """Check one manifest strictly: a field that Kubernetes does not know is an error too.

    Raises `ValidationError`; `KeyError` if there is no schema of this kind.
    """
    group, _, number = str(manifest["apiVersion"]).rpartition("/")
    name = _names(version)[group, number, str(manifest["kind"])]
    Draft202012Validator({"$ref": f"#/$defs/{name}", **_schemas(version)}).validate(manifest)


@functools.cache
def _schemas(version: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(__file__).parent / f"v{version}.json").read_text())
    return found


def _names(version: str) -> dict[tuple[str, str, str], str]:
    """The name of each kind's schema by API group, version and kind."""
    return {
        (kind["group"], kind["version"], kind["kind"]): name
        for name, schema in _schemas(version)["$defs"].items()
        for kind in schema.get("x-kubernetes-group-version-kind", [])
    }
