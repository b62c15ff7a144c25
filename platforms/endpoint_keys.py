"""The API keys of endpoints: one secret per recipe and environment, made with its first release."""

from __future__ import annotations

import hashlib
import secrets as random

from platforms.errors import PlatformError
from platforms.protocols import Secrets
from platforms.values import Environment, key_secret
from scoring_service.keys import Keys, KeysError


def ensure_keys(secrets: Secrets, recipe: str, environment: Environment) -> str:
    """The endpoint's keys, `<id> <key>` a line; a first one is made if there is none.

    Raises `PlatformError` if somebody stored what the scoring service cannot read: no replica shall start with it.
    """
    name = key_secret(recipe, environment)
    keys = secrets.create(name, f"default {random.token_urlsafe(32)}\n")
    try:
        Keys.parse(keys, f"secret {name!r}")
    except KeysError as error:
        raise PlatformError(f"{error}; store it again") from None
    return keys


def api_key(secrets: Secrets, recipe: str, environment: Environment) -> str:
    """The first of the endpoint's keys; raises `NotFoundError` before its first release."""
    return secrets.get(key_secret(recipe, environment)).split()[1]


def digest(keys: str) -> str:
    """What tells these keys from others, and does not tell the keys."""
    return hashlib.sha256(keys.encode()).hexdigest()
