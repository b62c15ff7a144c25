"""The API keys of endpoints: one secret per recipe and environment, made with its first release."""

from __future__ import annotations

import secrets as random

from platforms.protocols import Secrets
from platforms.values import Environment


def key_secret(recipe: str, environment: Environment) -> str:
    """The name under which `Secrets` holds an endpoint's keys."""
    return f"scoring-{recipe}-{environment}"


def ensure_keys(secrets: Secrets, recipe: str, environment: Environment) -> str:
    """The endpoint's keys, `<id> <key>` a line; a first one is made if there is none."""
    return secrets.create(key_secret(recipe, environment), f"default {random.token_urlsafe(32)}\n")
