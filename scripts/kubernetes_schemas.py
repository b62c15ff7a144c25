"""Write the Kubernetes schemas that tests check manifests against, from those of the package kubernetes-validate.

The package has 17,000 files, and we need some of two of its versions, so it is no dependency:

    uv run --no-project --with kubernetes-validate==1.37.0 python scripts/kubernetes_schemas.py
"""

from __future__ import annotations

import importlib.resources
import json
import re
from pathlib import Path
from typing import Any, Final

Schema = dict[str, dict[str, Any]]

FOLDER: Final = Path(__file__).parents[1] / "tests" / "kubernetes_schemas"
PREFIX: Final = "#/$defs/"
VERSIONS: Final = ("1.30", "1.37")
KINDS: Final = (
    "api.apps.v1.Deployment",
    "api.apps.v1.StatefulSet",
    "api.autoscaling.v2.HorizontalPodAutoscaler",
    "api.core.v1.Namespace",
    "api.core.v1.Secret",
    "api.core.v1.Service",
    "api.core.v1.ServiceAccount",
    "api.networking.v1.NetworkPolicy",
    "api.policy.v1.PodDisruptionBudget",
    "api.rbac.v1.Role",
    "api.rbac.v1.RoleBinding",
)
"""Everything that `deployments/` creates in a cluster."""


def main() -> None:
    """Write one file for each version of Kubernetes."""
    for version in VERSIONS:
        known = _definitions(version)
        wanted: Schema = {}
        _collect([f"io.k8s.{kind}" for kind in KINDS], known, wanted)
        text = json.dumps({"$defs": wanted}, sort_keys=True, separators=(",", ":"))
        (FOLDER / f"v{version}.json").write_text(text + "\n")


def _definitions(version: str) -> Schema:
    root = importlib.resources.files("kubernetes_validate") / "kubernetes-json-schema"
    text = (root / f"v{version}.0-local-strict" / "_definitions.json").read_text()
    found: Schema = json.loads(text.replace(f"/api/_definitions.json{PREFIX}", PREFIX), object_hook=_without_prose)
    return found["$defs"]


def _without_prose(schema: Schema) -> Schema:
    """Drop the descriptions; a property of this name is a schema."""
    return {key: value for key, value in schema.items() if key != "description" or not isinstance(value, str)}


def _collect(names: list[str], known: Schema, into: Schema) -> None:
    """Add these definitions and all that they refer to."""
    for name in names:
        if name not in into:
            into[name] = known[name]
            _collect(re.findall(rf'"{re.escape(PREFIX)}([^"]+)"', json.dumps(known[name])), known, into)


if __name__ == "__main__":
    main()
