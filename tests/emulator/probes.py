"""What a readiness probe asks."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

PROBE_SECONDS: Final = 1.0


async def answers(address: str, port: int, path: str) -> bool:
    """Whether a GET is answered with 2xx or 3xx within a second."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(PROBE_SECONDS):
            return await _ask(address, port, path)
    return False


async def _ask(address: str, port: int, path: str) -> bool:
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
        status = (await reader.readline()).split()
        return len(status) > 1 and status[1][:1] in (b"2", b"3")
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
