from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from platforms.protocols import Arrivals, Storage
from platforms.values import Blob, ModelVersion

PATH = "landing/diabetes/rows.csv"


class Heard:
    """What was told, in order."""

    def __init__(self) -> None:
        self.told: list[Blob | ModelVersion] = []

    def done(self, arrival: Blob | ModelVersion) -> bool:
        self.told.append(arrival)
        return True


class ArrivalsContract:
    """Needs empty `arrivals` and `storage` of one platform, and `redelivered`, which brings back what waits."""

    def hear(self, arrivals: Arrivals, act: Callable[[Blob | ModelVersion], bool], tries: int = 40) -> None:
        """Let the arrivals tell until `act` was called."""
        called: list[bool] = []

        def noted(arrival: Blob | ModelVersion) -> bool:
            called.append(True)
            return act(arrival)

        for _ in range(tries):
            arrivals.handle(noted)
            if called:
                return
            time.sleep(0.05)
        raise AssertionError("nothing was told")

    def silent(self, arrivals: Arrivals) -> bool:
        heard = Heard()
        for _ in range(3):
            arrivals.handle(heard.done)
        return not heard.told

    def test_what_lands_is_told_once_it_is_done(self, arrivals: Arrivals, storage: Storage) -> None:
        heard = Heard()
        blob = storage.write(PATH, b"a,b\n")
        self.hear(arrivals, heard.done)
        assert heard.told == [blob]
        assert self.silent(arrivals)

    def test_only_what_lands_is_told(self, arrivals: Arrivals, storage: Storage) -> None:
        storage.write("quarantine/diabetes/rows.csv", b"a,b\n")
        assert self.silent(arrivals)

    def test_what_is_not_done_comes_back(
        self, arrivals: Arrivals, storage: Storage, redelivered: Callable[[], None]
    ) -> None:
        blob = storage.write(PATH, b"a,b\n")
        answers, heard = [False, True], Heard()
        for _ in range(2):
            self.hear(arrivals, lambda arrival: heard.done(arrival) and answers.pop(0))
            redelivered()
        assert heard.told == [blob, blob]
        assert self.silent(arrivals)

    def test_an_error_ends_the_call_and_the_thing_comes_back(
        self, arrivals: Arrivals, storage: Storage, redelivered: Callable[[], None]
    ) -> None:
        blob, heard = storage.write(PATH, b"a,b\n"), Heard()

        def fail(arrival: Blob | ModelVersion) -> bool:
            raise ConnectionError("the server is gone")

        with pytest.raises(ConnectionError, match="the server is gone"):
            self.hear(arrivals, fail)
        redelivered()
        self.hear(arrivals, heard.done)
        assert heard.told == [blob]

    def test_new_content_under_the_same_path_is_a_new_arrival(self, arrivals: Arrivals, storage: Storage) -> None:
        heard = Heard()
        written = []
        for content in (b"a\n", b"b\n"):
            written.append(storage.write(PATH, content))
            self.hear(arrivals, heard.done)
        assert heard.told == written
