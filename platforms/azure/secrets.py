"""Secrets in Key Vault."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from platforms import names
from platforms.azure.errors import translated
from platforms.azure.lease import lease
from platforms.errors import NotFoundError

if TYPE_CHECKING:
    from azure.keyvault.secrets import SecretClient
    from azure.storage.blob import ContainerClient


class VaultSecrets:
    """The secrets port on a Key Vault, which has no conditional write: creators take turns by a lease on a blob."""

    def __init__(self, vault: SecretClient, container: ContainerClient) -> None:
        self._vault = vault
        self._container = container

    def get(self, name: str) -> str:
        """The value; raises `NotFoundError`."""
        with translated(self._name(name), NotFoundError(f"there is no {self._name(name)}")):
            return str(self._vault.get_secret(vault_name(name)).value)

    def create(self, name: str, value: str) -> str:
        """Store `value` unless the secret exists; returns the value that is stored now, the same to all racers."""
        try:
            return self.get(name)
        except NotFoundError:
            with lease(self._container, f"locks/secret-{vault_name(name)}"):
                return self._create(name, value)

    def _create(self, name: str, value: str) -> str:
        try:
            return self.get(name)
        except NotFoundError:
            with translated(self._name(name)):
                self._vault.set_secret(vault_name(name), value, tags={"ridgeline": name}, content_type="text/plain")
            return value

    def _name(self, name: str) -> str:
        return f"secret {name!r} in {self._vault.vault_url}"


def vault_name(name: str) -> str:
    """The name in the vault, where case does not matter and letters, digits and `-` are all there is.

    A name with anything else gets the beginning of its digest, so that two names never become one.
    """
    names.checked("secret", name)
    plain = re.sub(r"[^0-9a-z-]", "-", name)
    return name if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
