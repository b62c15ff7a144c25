from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from scoring_service.group_sync import GroupSync
from scoring_service.messages import Response
from scoring_service.request_log import RequestLog
from tests.scoring_service.test_request_log import RECORD, SIZE


def refuse(_error: OSError, response: Response) -> Response:
    return Response(503, response.body)


async def statuses(log: RequestLog, second_is_due: threading.Event, done: Callable[[], None]) -> list[int]:
    """The answers to a request, and to one that is recorded while the first is being brought to the disk."""
    given: list[int] = []
    both = asyncio.Event()
    sync = GroupSync(log, lambda: None, refuse)

    def ask() -> None:
        log.extend([RECORD])
        pending = sync.after_sync(Response(200, b""))
        pending.then(lambda: tell(pending.response))

    def tell(response: Response | None) -> None:
        assert response is not None
        given.append(response.status)
        if len(given) == 2:
            both.set()

    ask()
    await asyncio.to_thread(second_is_due.wait, 10)
    ask()
    done()
    async with asyncio.timeout(10):
        await both.wait()
    sync.close()
    return given


@pytest.mark.parametrize(
    ("fails", "expected"),
    [([False, False], [200, 200]), ([False, True], [503, 200]), ([True, False], [503, 503])],
    ids=["both reach the disk", "the second is lost as its segment is closed", "the first sync fails"],
)
def test_each_answer_tells_whether_its_record_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: list[bool], expected: list[int]
) -> None:
    """The segment is full when the first sync is done, so closing it is what brings the second record to the disk.

    After a sync that failed, a later one may succeed although the pages are gone.
    """
    syncing, second_is_written, plan = threading.Event(), threading.Event(), list(fails)

    def fdatasync(_descriptor: int) -> None:
        fail = plan.pop(0) if plan else False
        if not syncing.is_set():
            syncing.set()
            second_is_written.wait(10)
        if fail:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    log = RequestLog.create(tmp_path, segment_bytes=2 * SIZE, durable=True)
    assert asyncio.run(statuses(log, syncing, second_is_written.set)) == expected
    log.close()
