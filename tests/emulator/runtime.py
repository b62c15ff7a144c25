"""The machine room: one thread with an event loop in which all containers of the emulator are looked after."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from tests.emulator.addresses import Addresses
from tests.emulator.world import World

Result = TypeVar("Result")
STOP_SECONDS = 20.0


class Runtime:
    """A part of the world; everything that runs in it ends with it."""

    def __init__(self, world: World) -> None:
        self.folder: Path = world.folder / "runtime"
        self.addresses = Addresses()
        self.machine = world.certificates.environment() | {
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
            "IDENTITY_ENDPOINT": f"{world.base_url}/msi/token",
            "IDENTITY_HEADER": world.identity_header,
        }
        """Variables by which a container signs in as its identity, and trusts the emulator."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="emulator-runtime", daemon=True)
        self._thread.start()

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do something in the loop and wait for it, from any other thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def ask(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The same from another event loop."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def each(self, items: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """What an iterator of the loop yields, in another event loop."""
        while (item := await self.ask(_next(items))) is not None:
            yield item

    def keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something in the background until the end; only within the loop."""
        task = self._loop.create_task(work)
        task.add_done_callback(tell)
        return task

    def close(self) -> None:
        """End everything that runs."""
        if self._loop.is_closed():
            return
        self.do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_SECONDS)
        self._loop.close()

    async def _end(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def tell(task: asyncio.Task[None]) -> None:
    """Print what ended a background task, since nobody waits for it."""
    if not task.cancelled() and (error := task.exception()):
        traceback.print_exception(error)


async def _next(items: AsyncIterator[bytes]) -> bytes | None:
    return await anext(items, None)
