"""An identity that nobody has."""

from __future__ import annotations

from typing import NoReturn

from azure.core.exceptions import ClientAuthenticationError


class SignedOut:
    """A credential that gives no token."""

    def get_token(self, *scopes: str) -> NoReturn:
        """Refuse, as `DefaultAzureCredential` does where nothing is offered."""
        raise ClientAuthenticationError("DefaultAzureCredential failed to retrieve a token")
