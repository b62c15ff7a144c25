"""The life of a replica: load, listen, say that it is ready, answer until told to stop, drain."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from scoring_service.context import Context
from scoring_service.events import emit
from scoring_service.hub import Hub
from scoring_service.keys import KeysError, KeysFile
from scoring_service.listener import Listener
from scoring_service.recording import Recorder
from scoring_service.request_log import LogError, RequestLog
from scoring_service.routes import Router
from scoring_service.scoring import Scorer
from scoring_service.settings import Settings
from scoring_service.tracing import Spans

TICK_SECONDS: Final = 0.5
DRAIN_TICK_SECONDS: Final = 0.02


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM, SIGINT or the end of the supervisor, then drain; raises what loading raises."""
    context = Context.load(Path(settings.context))
    keys = KeysFile(Path(settings.keys_file))
    recorder = Recorder(context, settings, open_log(settings))
    spans = Spans.create(settings, context.schema.recipe)
    router = Router(context, settings, keys.keys, Scorer(context, settings, recorder), spans)
    hub = Hub(router, settings)
    stop = _stop_event(settings)
    # What is loaded stays: to look through scikit-learn's objects again and again stops all answers for 40 ms.
    gc.collect()
    gc.freeze()
    listener = Listener(_socket(settings), hub)
    _announce(settings, listener)
    await _run(hub, lambda: _upkeep(settings, recorder, keys, router), stop)
    router.draining = True
    emit("info", "draining", connections=len(hub.connections))
    hub.start_drain(asyncio.get_running_loop().time())
    await listener.close()
    await _drain(hub)
    context.model.unload()
    recorder.close()
    if spans is not None:
        spans.close()


def open_log(settings: Settings) -> RequestLog | None:
    """The log that the settings describe; raises `LogError` if it cannot be written and must be."""
    if not settings.log_dir:
        return None
    log = RequestLog.create(
        Path(settings.log_dir), settings.log_segment_bytes, settings.log_segment_seconds, settings.log_sync
    )
    try:
        log.check()
    except LogError as error:
        if settings.log_failure == "refuse":
            raise
        emit("error", str(error), log_failure=settings.log_failure)
    return log


def _stop_event(settings: Settings) -> asyncio.Event:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if settings.alive_fd is not None:
        loop.add_reader(settings.alive_fd, _on_orphaned, settings.alive_fd, stop)
    return stop


def _on_orphaned(descriptor: int, stop: asyncio.Event) -> None:
    asyncio.get_running_loop().remove_reader(descriptor)
    stop.set()


def _socket(settings: Settings) -> socket.socket:
    """The inherited socket, or one of our own."""
    if settings.listen_fd is not None:
        return socket.socket(fileno=settings.listen_fd)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    return socket.create_server((settings.host, settings.port), family=family)


def _announce(settings: Settings, listener: Listener) -> None:
    host, port = listener.address
    emit("info", f"ready on {host}:{port}, model version {settings.model_version}", pid=os.getpid())
    if settings.ready_fd is not None:
        os.set_blocking(settings.ready_fd, False)
        _give_sign(settings.ready_fd)


def _give_sign(descriptor: int) -> None:
    """Tell the supervisor that the loop turns; one that does not listen keeps nobody from answering."""
    with suppress(BlockingIOError, BrokenPipeError):
        os.write(descriptor, b"1")


def _upkeep(settings: Settings, recorder: Recorder, keys: KeysFile, router: Router) -> None:
    """What is done twice a second."""
    if settings.ready_fd is not None:
        _give_sign(settings.ready_fd)
    recorder.tick()
    try:
        if keys.refresh():
            router.exchange(keys.keys)
            emit("info", "the keys file was read again")
    except KeysError as error:
        emit("error", f"{error}; the keys of before stay valid")


async def _run(hub: Hub, upkeep: Callable[[], None], stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    while not stop.is_set():
        hub.tick(loop.time())
        upkeep()
        with suppress(TimeoutError):
            async with asyncio.timeout(TICK_SECONDS):
                await stop.wait()


async def _drain(hub: Hub) -> None:
    """Answer every connection once more with `connection: close`; those that ask nothing are closed in the end."""
    loop = asyncio.get_running_loop()
    end = loop.time() + hub.settings.drain_seconds
    while hub.connections and loop.time() < end:
        hub.tick(loop.time())
        await asyncio.sleep(DRAIN_TICK_SECONDS)
