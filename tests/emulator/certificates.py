"""A certificate authority that exists only as long as the emulator does."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import trustme


@dataclass(frozen=True)
class Certificates:
    """PEM files: the authority, the server's chain and its key."""

    authority: Path
    chain: Path
    key: Path

    @classmethod
    def make(cls, folder: Path) -> Self:
        folder.mkdir(parents=True, exist_ok=True)
        made = cls(folder / "ca.pem", folder / "chain.pem", folder / "key.pem")
        authority = trustme.CA()
        server = authority.issue_cert("localhost", "127.0.0.1", "*.localhost")
        authority.cert_pem.write_to_path(made.authority)
        server.private_key_pem.write_to_path(made.key)
        for part in server.cert_chain_pems:
            part.write_to_path(made.chain, append=True)
        return made

    def trust(self) -> ssl.SSLContext:
        """What a client in this process needs to trust the authority, and nobody else."""
        return ssl.create_default_context(cafile=self.authority)

    def environment(self) -> dict[str, str]:
        """The variables by which every client of this machine trusts the authority."""
        names = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
        return dict.fromkeys(names, str(self.authority))
