"""The least that a Python application on granian can do: read the request and answer a constant."""

from __future__ import annotations

from typing import Any

HEADERS = [("content-type", "application/json")]


class App:
    async def __rsgi__(self, _scope: Any, protocol: Any) -> None:  # noqa: ANN401  # granian's, from its own environment
        await protocol()
        protocol.response_bytes(200, HEADERS, b'{"result":[206.08743212345678]}')


app = App()
