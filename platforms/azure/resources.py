"""One resource of Azure as it shall be: type, name and body, the body partly known only once others exist.

Azure Resource Manager addresses everything by an id, takes it by PUT and shows it by GET. So a list of these in the
order of their dependencies describes a whole installation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid5

GROUP: Final = "Microsoft.Resources/resourceGroups"
GUID_NAMESPACE: Final = UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")
"""Namespace of the function `guid` in templates, so that a template and this code name the same role assignment."""

Body: TypeAlias = Mapping[str, Any]
"""JSON in which an `Output` or an `Initially` may stand for a value."""
Document: TypeAlias = dict[str, Any]
"""A resource as Azure shows it."""


class UnknownOutputError(Exception):
    """A value that Azure chooses is not known yet, because what it belongs to does not exist."""


@dataclass(frozen=True)
class Resource:
    """A resource of `type` in `scope`: an id of a subscription, a resource group or, for extensions, a resource.

    `name` has a part for each level of a nested type. `body` is what is PUT and compared; what Azure shows beyond it
    is not ours. A resource that `is_fixed` cannot be changed, only deleted and made anew. `title` is for people,
    where the name tells them nothing.
    """

    type: str
    name: str
    api_version: str
    scope: str
    body: Body = field(default_factory=dict)
    is_fixed: bool = False
    title: str = ""

    @property
    def id(self) -> str:
        """The resource's id."""
        if self.type == GROUP:
            return f"{self.scope}/resourceGroups/{self.name}"
        namespace, *types = self.type.split("/")
        levels = [part for level in zip(types, self.name.split("/"), strict=True) for part in level]
        return "/".join([self.scope, "providers", namespace, *levels])

    @property
    def label(self) -> str:
        """Type and name or title, as people read them; no two resources of a blueprint have the same."""
        return f"{self.type} {self.title or self.name}"

    def outputs(self) -> set[str]:
        """The ids of the resources whose outputs the body wants."""
        return set(_outputs(self.body))

    def output(self, path: str) -> Output:
        """A value that Azure gives this resource, such as `properties.principalId`."""
        return Output(self.id, path)


@dataclass(frozen=True)
class Output:
    """A value that stands in the document of another resource once that exists."""

    id: str
    path: str

    def of(self, documents: Mapping[str, Document]) -> object:
        """The value, from documents by lower-case id; raises `UnknownOutputError`."""
        found: Any = documents.get(self.id.lower())
        for name in self.path.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        if found is None:
            raise UnknownOutputError(f"{self.path} of {self.id}")
        return found


@dataclass(frozen=True)
class Initially:
    """A value that only counts when the resource is made: afterwards others change it, an autoscaler for one."""

    value: object


def _outputs(value: object) -> Iterator[str]:
    match value:
        case Output():
            yield value.id
        case Initially():
            yield from _outputs(value.value)
        case Mapping():
            yield from (found for item in value.values() for found in _outputs(item))
        case Sequence() if not isinstance(value, str):
            yield from (found for item in value for found in _outputs(item))


def guid(*parts: str) -> str:
    """What the function `guid` gives in a template."""
    return str(uuid5(GUID_NAMESPACE, "-".join(parts)))


def wanted(body: object, documents: Mapping[str, Document], first: bool) -> object:
    """The body as plain JSON; raises `UnknownOutputError`. What counts only at first is left out afterwards."""
    match body:
        case Output():
            return body.of(documents)
        case Initially():
            return wanted(body.value, documents, first)
        case Mapping():
            kept = {key: value for key, value in body.items() if first or not isinstance(value, Initially)}
            return {key: wanted(value, documents, first) for key, value in kept.items()}
        case str():
            return body
        case Sequence():
            return [wanted(value, documents, first) for value in body]
        case _:
            return body
