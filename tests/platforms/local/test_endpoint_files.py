from __future__ import annotations

import fcntl
import threading

import pytest

from platforms.errors import PlatformError
from platforms.local.endpoint_files import EndpointFiles
from platforms.settings import Settings


def test_there_is_one_supervisor(settings: Settings) -> None:
    files = EndpointFiles(settings)
    assert not files.supervised()
    with files.supervising():
        assert files.supervised()
        with pytest.raises(PlatformError, match=f"another supervisor runs the endpoints in {files.folder}"):
            files.supervising().__enter__()
    assert not files.supervised()


def test_who_looks_for_a_supervisor_keeps_none_from_starting(settings: Settings) -> None:
    files = EndpointFiles(settings)
    with files._lock_file() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.05, looking.close).start()
        with files.supervising():
            assert files.supervised()
