from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from platforms.protocols import Arrivals, Blob, ModelVersion, Storage

PATH = "landing/diabetes/rows.csv"


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
        heard: list[Blob | ModelVersion] = []
        for _ in range(3):
            arrivals.handle(lambda arrival: bool(heard.append(arrival)) or True)
        return not heard

    def test_what_lands_is_told_once_it_is_done(self, arrivals: Arrivals, storage: Storage) -> None:
        heard: list[Blob | ModelVersion] = []
        blob = storage.write(PATH, b"a,b\n")
        self.hear(arrivals, lambda arrival: bool(heard.append(arrival)) or True)
        assert heard == [blob]
        assert self.silent(arrivals)

    def test_only_what_lands_is_told(self, arrivals: Arrivals, storage: Storage) -> None:
        storage.write("quarantine/diabetes/rows.csv", b"a,b\n")
        assert self.silent(arrivals)

    def test_what_is_not_done_comes_back(
        self, arrivals: Arrivals, storage: Storage, redelivered: Callable[[], None]
    ) -> None:
        blob = storage.write(PATH, b"a,b\n")
        answers, heard = [False, True], list[Blob | ModelVersion]()
        for _ in range(2):
            self.hear(arrivals, lambda arrival: bool(heard.append(arrival)) or answers.pop(0))
            redelivered()
        assert heard == [blob, blob]
        assert self.silent(arrivals)

    def test_an_error_ends_the_call_and_the_thing_comes_back(
        self, arrivals: Arrivals, storage: Storage, redelivered: Callable[[], None]
    ) -> None:
        blob, heard = storage.write(PATH, b"a,b\n"), list[Blob | ModelVersion]()

        def fail(arrival: Blob | ModelVersion) -> bool:
            raise ConnectionError("the server is gone")

        with pytest.raises(ConnectionError, match="the server is gone"):
            self.hear(arrivals, fail)
        redelivered()
        self.hear(arrivals, lambda arrival: bool(heard.append(arrival)) or True)
        assert heard == [blob]

    def test_new_content_under_the_same_path_is_a_new_arrival(self, arrivals: Arrivals, storage: Storage) -> None:
        heard: list[Blob | ModelVersion] = []
        written = []
        for content in (b"a\n", b"b\n"):
            written.append(storage.write(PATH, content))
            self.hear(arrivals, lambda arrival: bool(heard.append(arrival)) or True)
        assert heard == written
