"""Who owns which field: server-side apply as Kubernetes defines it, on objects of the kinds that we use.

An object is turned into a tree in which a list with keys (containers by name, ports by number …) is a mapping from
`k:{key}` to its items, exactly as `managedFields` writes it; every other list, and every mapping that Kubernetes
treats as one value, is a leaf. Ownership is then a set of paths per manager, and merging is by path.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

Tree = dict[str, Any]
Path = tuple[str, ...]
Object = dict[str, Any]

KEYED: Final[Mapping[str, tuple[str, ...]]] = {
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
"""Lists that are merged by key, by field name."""
PORTS: Final = (("containerPort", "protocol"), ("port", "protocol"))
ATOMIC: Final = ("selector", "labelSelector", "podSelector", "namespaceSelector", "nodeSelectorTerms")
"""Mappings that are one value."""
IDENTITY: Final = ("apiVersion", "kind")
UNOWNED: Final = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "uid",
)
"""Metadata that nobody manages."""


@dataclass(frozen=True)
class Owner:
    """One entry of `managedFields`."""

    manager: str
    operation: str
    paths: frozenset[Path]
    time: str
    api_version: str
    subresource: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells entries apart."""
        return self.manager, self.operation, self.subresource


class FieldConflictError(Exception):
    """An apply would change fields of others; `fields` are pairs of manager and path."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        super().__init__(fields)
        self.fields = fields


def apply(live: Object, owners: list[Owner], wanted: Object, mine: Owner, force: bool) -> tuple[Object, list[Owner]]:
    """The object and its owners after an apply of `wanted`; raises `FieldConflictError`.

    Fields of an earlier apply of the same manager that are not wanted any more go, unless somebody else owns them.
    """
    tree, applied = to_tree(live), to_tree(owned_part(wanted))
    values = dict(leaves(applied))
    present = dict(leaves(tree))
    changed = {path for path, value in values.items() if path not in present or present[path] != value}
    others = [owner for owner in owners if owner.key != mine.key]
    conflicts = [(owner.manager, path) for owner in others for path in sorted(owner.paths & changed)]
    if conflicts and not force:
        raise FieldConflictError([(manager, shown(path)) for manager, path in conflicts])
    others = [replace(owner, paths=owner.paths - changed) for owner in others]
    before = next((owner.paths for owner in owners if owner.key == mine.key), frozenset())
    kept = frozenset[Path]().union(*(owner.paths for owner in others))
    for path in before - values.keys() - kept:
        remove(tree, path)
    for path, value in values.items():
        insert(tree, path, copy.deepcopy(value))
    entry = replace(mine, paths=frozenset(values))
    return from_tree(tree), [owner for owner in (*others, entry) if owner.paths]


def update(before: Object, after: Object, owners: list[Owner], mine: Owner) -> list[Owner]:
    """The owners after a write that is no apply: the writer owns what it changed."""
    old, new = dict(leaves(to_tree(owned_part(before)))), dict(leaves(to_tree(owned_part(after))))
    changed = {path for path, value in new.items() if path not in old or old[path] != value}
    gone = old.keys() - new.keys()
    others = [replace(owner, paths=owner.paths - changed - gone) for owner in owners if owner.key != mine.key]
    before_mine = next((owner.paths for owner in owners if owner.key == mine.key), frozenset())
    entry = replace(mine, paths=(before_mine - gone) | changed)
    return [owner for owner in (*others, entry) if owner.paths]


def owned_part(wanted: Object) -> Object:
    """The fields of an object that a manager can own."""
    rest = {name: value for name, value in wanted.items() if name not in (*IDENTITY, "status")}
    metadata = {name: value for name, value in rest.pop("metadata", {}).items() if name not in UNOWNED}
    return rest | ({"metadata": metadata} if metadata else {})


def to_tree(value: Object) -> Tree:
    """The tree of an object."""
    return {f"f:{name}": _node(name, child) for name, child in value.items()}


def from_tree(tree: Tree) -> Object:
    """The object of a tree."""
    return {name[2:]: _plain(child) for name, child in tree.items()}


def leaves(tree: Tree, prefix: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every leaf with its path; an empty mapping is a leaf too."""
    for name, child in tree.items():
        if _is_tree(child):
            yield from leaves(child, (*prefix, name))
        else:
            yield (*prefix, name), child


def insert(tree: Tree, path: Path, value: Any) -> None:  # noqa: ANN401 - any JSON
    """Set one leaf."""
    for name in path[:-1]:
        child = tree.get(name)
        if not isinstance(child, dict):
            child = tree[name] = {}
        tree = child
    tree[path[-1]] = value


def remove(tree: Tree, path: Path) -> None:
    """Take one leaf away, and what is empty without it."""
    trail = [tree]
    for name in path[:-1]:
        child = trail[-1].get(name)
        if not isinstance(child, dict):
            return
        trail.append(child)
    trail[-1].pop(path[-1], None)
    for parent, name in zip(reversed(trail[:-1]), reversed(path[:-1]), strict=True):
        if not parent[name]:
            del parent[name]


def written(owner: Owner) -> Object:
    """The entry as `managedFields` shows it."""
    fields: Tree = {}
    for path in owner.paths:
        insert(fields, path, {})
    entry = {
        "manager": owner.manager,
        "operation": owner.operation,
        "apiVersion": owner.api_version,
        "time": owner.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    return entry | ({"subresource": owner.subresource} if owner.subresource else {})


def shown(path: Path) -> str:
    """A path as the message of a conflict writes it."""
    parts = [f".{name[2:]}" if name.startswith("f:") else _key(name) for name in path]
    return "".join(parts)


def _key(name: str) -> str:
    pairs = ",".join(f"{key}={json.dumps(value)}" for key, value in json.loads(name[2:]).items())
    return f"[{pairs}]"


def _node(name: str, value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict) and name not in ATOMIC:
        return to_tree(value)
    keys = _keys(name, value)
    if keys is None:
        return value
    items: Tree = {}
    for item in value:
        items[f"k:{json.dumps({key: _key_value(item, key) for key in keys}, separators=(',', ':'))}"] = to_tree(item)
    return items


def _keys(name: str, value: Any) -> tuple[str, ...] | None:  # noqa: ANN401 - any JSON
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
        return None
    if name == "ports":
        return next((keys for keys in PORTS if all(keys[0] in item for item in value)), None)
    return KEYED.get(name)


def _key_value(item: Object, key: str) -> Any:  # noqa: ANN401 - any JSON
    return item.get(key, "TCP" if key == "protocol" else None)


def _is_tree(node: Any) -> bool:  # noqa: ANN401 - any JSON
    return isinstance(node, dict) and next(iter(node), "").startswith(("f:", "k:"))


def _plain(node: Any) -> Any:  # noqa: ANN401 - any JSON
    if not _is_tree(node):
        return node
    if next(iter(node)).startswith("k:"):
        return [from_tree(item) for item in node.values()]
    return from_tree(node)
