"""Templates of `deployments/aks/`: YAML in which a scalar `$name` stands for a value.

The text is parsed before anything is put in, so a value can never change the structure around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any, Final

import yaml

from platforms.errors import PlatformError
from platforms.settings import ROOT

FOLDER: Final = ROOT / "deployments" / "aks"
LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's is ten times as fast; PyYAML is built without it where libyaml is missing."""
Manifest = dict[str, Any]


def fill(name: str, values: Mapping[str, object], folder: Path = FOLDER) -> list[Manifest]:
    """The documents of a template; raises `PlatformError` for a placeholder that has no value.

    A scalar that is nothing but a placeholder becomes the value itself, of any type. An entry of a mapping whose
    value is None is left out.
    """
    file = folder / f"{name}.yaml"
    try:
        return [_filled(document, values) for document in yaml.load_all(file.read_text(encoding="utf-8"), LOADER)]
    except KeyError as error:
        raise PlatformError(f"{file}: there is no value for ${error.args[0]}") from None
    except (ValueError, yaml.YAMLError) as error:
        raise PlatformError(f"{file} is no valid template: {error}") from error


def _filled(node: Any, values: Mapping[str, object]) -> Any:  # noqa: ANN401 - any YAML
    if isinstance(node, dict):
        filled = {name: _filled(child, values) for name, child in node.items()}
        return {name: child for name, child in filled.items() if child is not None}
    if isinstance(node, list):
        return [_filled(child, values) for child in node]
    if not isinstance(node, str) or "$" not in node:
        return node
    template = Template(node)
    names = template.get_identifiers()
    return values[names[0]] if node == f"${names[0]}" else template.substitute(values)
