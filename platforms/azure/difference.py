"""Whether a resource is as it shall be. Azure spells many values its own way, so equal is not the same text.

Only what is wanted is compared: what Azure adds, or a person or a policy has set beside it, is none of our business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeGuard

DURATION: Final = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.IGNORECASE)
NAME: Final = "name"


def differences(wanted: object, actual: object, path: str = "") -> Iterator[str]:
    """Every value that is not as wanted, as `path: actual -> wanted`.

    The case of texts and keys does not count, nor how a duration is written, nor spaces in a region's name. Items of
    a list that have a name are compared by it.
    """
    if isinstance(wanted, Mapping):
        held = _by_key(actual)
        for key, value in wanted.items():
            yield from differences(value, held.get(key.lower()), f"{path}.{key}" if path else key)
    elif _is_list(wanted):
        yield from _list_differences(wanted, actual if _is_list(actual) else [], path)
    elif _plain(wanted) != _plain(actual):
        yield f"{path}: {_shown(actual)} -> {_shown(wanted)}"


def merged(wanted: object, actual: object) -> object:
    """The actual document with all that is wanted put into it: what an update sends, so that nothing else is lost."""
    if isinstance(wanted, Mapping):
        held = dict(actual) if isinstance(actual, Mapping) else {}
        keys = {key.lower(): key for key in held}
        found = {keys.get(key.lower(), key): value for key, value in wanted.items()}
        return held | {key: merged(value, held.get(key)) for key, value in found.items()}
    if _is_list(wanted) and (named := _named(wanted)):
        others = _named(actual if _is_list(actual) else [])
        mine = [merged(item, others.pop(name, None)) for name, item in named.items()]
        return [*mine, *others.values()]
    return wanted


def _list_differences(wanted: Sequence[object], actual: Sequence[object], path: str) -> Iterator[str]:
    if named := _named(wanted):
        held = _named(actual)
        for name in named:
            yield from differences(named[name], held.get(name), f"{path}[{name}]")
    elif len(wanted) != len(actual):
        yield f"{path}: {_shown(actual)} -> {_shown(wanted)}"
    else:
        for index, (item, other) in enumerate(zip(wanted, actual, strict=True)):
            yield from differences(item, other, f"{path}[{index}]")


def _named(items: Sequence[object]) -> dict[str, Mapping[str, object]]:
    """The items by name if all of them have one, else nothing."""
    mappings = [item for item in items if isinstance(item, Mapping) and NAME in item]
    return {str(item[NAME]): item for item in mappings} if len(mappings) == len(items) else {}


def _by_key(document: object) -> dict[str, object]:
    return {key.lower(): value for key, value in document.items()} if isinstance(document, Mapping) else {}


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _plain(value: object) -> object:
    """The value as it counts in a comparison."""
    if not isinstance(value, str):
        return value
    if (found := DURATION.fullmatch(value)) and any(found.groups()):
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    return value.lower().replace(" ", "")


def _shown(value: object) -> str:
    return "missing" if value is None else str(value)
