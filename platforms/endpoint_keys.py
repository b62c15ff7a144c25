"""The API keys of endpoints: one secret per recipe and environment, made with its first release."""

from __future__ import annotations

import hashlib
import secrets as random

from platforms.errors import PlatformError
from platforms.protocols import Secrets
from platforms.values import Environment, key_secret


def ensure_keys(secrets: Secrets, recipe: str, environment: Environment) -> str:
    """The endpoint's keys, `<id> <key>` a line; a first one is made if there is none.

    Raises `PlatformError` if somebody stored what the scoring service cannot read: no replica shall start with it.
    """
    name = key_secret(recipe, environment)
    keys = secrets.create(name, f"default {random.token_urlsafe(32)}\n")
    if fault := _fault(keys):
        raise PlatformError(f"secret {name!r}{fault}; store it again, `<id> <key>` a line")
    return keys


def api_key(secrets: Secrets, recipe: str, environment: Environment) -> str:
    """The first of the endpoint's keys; raises `NotFoundError` before its first release."""
    return secrets.get(key_secret(recipe, environment)).split()[1]


def digest(keys: str) -> str:
    """What tells these keys from others, and does not tell the keys."""
    return hashlib.sha256(keys.encode()).hexdigest()


def _fault(keys: str) -> str:
    """What the scoring service would refuse, or nothing; never a key."""
    if not keys.isascii():
        return " holds something else than ASCII letters"
    ids: set[str] = set()
    for number, line in enumerate(keys.splitlines(), 1):
        words = line.split()
        if words and len(words) != 2:
            return f", line {number}: {len(words)} words instead of two"
        if words and words[0] in ids:
            return f", line {number}: its id has a key already"
        ids.update(words[:1])
    return "" if ids else " holds no key"
