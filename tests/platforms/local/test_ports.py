from __future__ import annotations

import os
import socket

import psutil
import pytest

from platforms.errors import PlatformError
from platforms.local import ports
from platforms.settings import Settings


def test_free_ports_are_fine(settings: Settings) -> None:
    ports.require_free(settings)


def test_a_taken_port_is_named_with_its_setting_and_owner(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", settings.qa_port)), pytest.raises(PlatformError) as raised:
        ports.require_free(settings)
    assert str(raised.value) == f"port {settings.qa_port} is taken by pid {os.getpid()}: set RIDGELINE_QA_PORT"


def test_every_taken_port_has_its_line(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "net_connections", lambda _: [])
    with (
        socket.create_server(("127.0.0.1", settings.prefect_port)),
        socket.create_server(("127.0.0.1", settings.prod_port)),
        pytest.raises(PlatformError) as raised,
    ):
        ports.require_free(settings)
    lines = str(raised.value).splitlines()
    assert [line.rsplit(maxsplit=1)[1] for line in lines] == ["RIDGELINE_PREFECT_PORT", "RIDGELINE_PROD_PORT"]
    assert "pid" not in str(raised.value)


def test_ports_of_endpoints_do_not_count_where_none_are_here(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"platform": "azure"})
    with socket.create_server(("127.0.0.1", settings.qa_port)):
        ports.require_free(elsewhere)
