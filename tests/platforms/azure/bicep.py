"""Reads a Bicep template far enough to say what it makes: ids, versions and bodies with all parameters filled in.

It knows what `deployments/azure/` uses. Anything else ends the test, so nothing is skipped unseen. The parser gives
symbols and texts alike as strings: a text that is the name of a symbol is taken for it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pycep import BicepParser

from platforms.azure.resources import GROUP, Output, Resource, guid

PLACEHOLDER = re.compile(r"\$\{([^}]+)\}")
NOT_IN_BODY = {"name", "parent", "scope", "dependsOn"}


@functools.cache
def parsed(text: str) -> Mapping[str, Any]:
    """The template's parts; raises what the parser raises for what is no Bicep."""
    found: Mapping[str, Any] = BicepParser().parse(text=text)
    return found


@dataclass
class Template:
    """One file, with the values of its parameters and what the deployment knows of its place."""

    path: Path
    subscription: str
    tenant: str
    group: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.parsed = parsed(self.path.read_text())
        declared = self.parsed.get("parameters", {})
        unknown = set(self.parameters) - set(declared)
        assert not unknown, f"{self.path.name} has no parameter {unknown}"
        self.values = {name: self.parameters.get(name, value["default"]) for name, value in declared.items()}
        self.values |= {name: value["value"] for name, value in self.parsed.get("variables", {}).items()}
        missing = [name for name, value in self.values.items() if value is None]
        assert not missing, f"{self.path.name} needs {missing}"
        self.resources = {name: self._resource(made) for name, made in self.parsed["resources"].items()}

    def made(self) -> list[Resource]:
        """Every resource whose condition holds, modules included."""
        found = [resource for name, resource in self.resources.items() if self._holds(self.parsed["resources"][name])]
        return found + [
            resource for module in self.parsed.get("modules", {}).values() for resource in self._in(module)
        ]

    def _in(self, module: Mapping[str, Any]) -> list[Resource]:
        group = self.resources[module["config"]["scope"]].id
        parameters = self._value(module["config"]["params"])
        assert isinstance(parameters, dict)
        path = self.path.parent / module["detail"]["path"]
        return Template(path, self.subscription, self.tenant, group, parameters).made()

    def _config(self, made: Mapping[str, Any]) -> Mapping[str, Any]:
        config: Mapping[str, Any] = made["config"]
        return config["config"] if "condition" in config else config

    def _holds(self, made: Mapping[str, Any]) -> bool:
        condition = made["config"].get("condition")
        if condition is None:
            return True
        assert condition["operator"]["type"] == "not_equals", condition
        operands = condition["operator"]["operands"]
        return self._value(operands["operand_1"]) != self._value(operands["operand_2"])

    def _resource(self, made: Mapping[str, Any]) -> Resource:
        config = self._config(made)
        name, scope = str(self._value(config["name"])), self.group
        if "parent" in config:
            name = f"{self._made_before(config['parent']).name}/{name}"
        if "scope" in config:
            scope = self._made_before(config["scope"]).id
        body = {key: self._value(value) for key, value in config.items() if key not in NOT_IN_BODY}
        if made["type"] == GROUP:
            scope = f"/subscriptions/{self.subscription}"
        return Resource(made["type"], name, made["api_version"], scope, body)

    def _made_before(self, symbol: str) -> Resource:
        return self._resource(self.parsed["resources"][symbol])

    def _value(self, value: object) -> object:
        match value:
            case {"operator": {"type": "property_accessor", "operands": operands}}:
                return self._property(operands["operand_1"], _path(operands["operand_2"]))
            case {"function": {"type": str(name), "parameters": parameters}}:
                return self._call(name, parameters)
            case dict():
                return {self._key(key): self._value(item) for key, item in value.items()}
            case list():
                return [self._value(item) for item in value]
            case str() if value in self.values:
                return self.values[value]
            case str():
                return PLACEHOLDER.sub(lambda found: self._placeholder(found[1]), value.replace("\\'", "'"))
            case _:
                return value

    def _key(self, key: str) -> str:
        return str(self._value(key.strip("'"))) if key.startswith("'") else key

    def _placeholder(self, text: str) -> str:
        symbol, _, path = text.partition(".")
        return str(self._property(symbol, path) if path else self.values[symbol])

    def _property(self, owner: object, path: str) -> object:
        match owner, path:
            case {"function": {"type": "resource_group"}}, "id":
                return self.group
            case {"function": {"type": "subscription"}}, "tenantId":
                return self.tenant
            case str(), "id":
                return self._made_before(owner).id
            case str(), _:
                return Output(self._made_before(owner).id, path)
        raise AssertionError(f"unknown property {owner}.{path}")

    def _call(self, name: str, parameters: Mapping[str, Any]) -> object:
        values = [self._value(value) for value in parameters.values() if value is not None]
        match name:
            case "guid":
                return guid(*(str(value) for value in values))
            case "subscription_resource_id":
                return f"/subscriptions/{self.subscription}/providers/{'/'.join(str(value) for value in values)}"
        raise AssertionError(f"unknown function {name}")


def _path(accessor: object) -> str:
    match accessor:
        case {"operator": {"type": "property_accessor", "operands": operands}}:
            return f"{operands['operand_1']}.{_path(operands['operand_2'])}"
    return str(accessor)
