from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli import bootstrap
from platforms.platform import Platform
from platforms.settings import Settings
from platforms.values import Blob
from tasks import listening, reconciling, starting
from tasks.listening import Listener


@pytest.fixture
def nameless(platform: Platform, settings: Settings) -> Blob:
    """A blob whose name a program wrote in Latin-1."""
    folder = settings.state_dir / "storage" / "landing" / "diabetes"
    folder.mkdir(parents=True)
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.csv")).write_bytes(b"age\n1\n")
    [blob] = platform.storage.list("landing/diabetes/")
    return blob


def test_a_name_that_is_no_text_keeps_nothing_else_from_being_heard(
    platform: Platform, nameless: Blob, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def validate(_: str, blob: Blob) -> str:
        return blob.path.encode().decode()

    good = platform.storage.write("landing/diabetes/x.csv", b"age\n1\n")
    monkeypatch.setattr(listening, "_validate", validate)
    monkeypatch.setattr(platform.arrivals, "_settled", 0.0)
    monkeypatch.setattr(starting, "greet_server", lambda: None)
    listener = Listener(["diabetes"])
    assert listener.look() == []
    assert listener.look() == [good.path]
    assert r"caf\udce9.csv' is no UTF-8: it stays where it is, rename it" in caplog.text
    assert [want.value for want in reconciling.missing("diabetes")] == [good.path]
    assert bootstrap.waiting_or_seed("diabetes", print) == [good]
