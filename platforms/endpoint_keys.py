"""The API keys of endpoints: one secret per recipe and environment, made with its first release."""

from __future__ import annotations

import secrets as random

from platforms.protocols import Secrets
from platforms.values import Environment, key_secret


def ensure_keys(secrets: Secrets, recipe: str, environment: Environment) -> str:
    """The endpoint's keys, `<id> <key>` a line; a first one is made if there is none."""
    return secrets.create(key_secret(recipe, environment), f"default {random.token_urlsafe(32)}\n")


def api_key(secrets: Secrets, recipe: str, environment: Environment) -> str:
    """The first of the endpoint's keys; raises `NotFoundError` before its first release."""
    return secrets.get(key_secret(recipe, environment)).split()[1]
