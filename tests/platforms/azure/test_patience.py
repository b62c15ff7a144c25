from __future__ import annotations

import time
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError

from platforms.azure.patience import Patience, seconds_of

REFUSED = SimpleNamespace(headers={})


@pytest.mark.parametrize(
    "failure", [{"error": ServiceRequestError("")}, {"error": ServiceResponseError("")}, {"response": REFUSED}]
)
def test_whatever_fails_is_sent_again_as_often_as_the_setting_says(failure: dict[str, Any]) -> None:
    patience, request = Patience(6, 0.1), SimpleNamespace(body=None, method="GET")
    settings = patience.configure_retries(SimpleNamespace(http_request=request, context=SimpleNamespace(options={})))
    assert [patience.increment(settings, request, **failure) for _ in range(7)] == [True] * 6 + [False]


def test_a_service_may_name_seconds_or_a_date() -> None:
    assert seconds_of("7") == 7.0
    assert 25 < seconds_of(formatdate(time.time() + 30, usegmt=True)) <= 30
    assert seconds_of(formatdate(time.time() - 30, usegmt=True)) == 0.0


@pytest.mark.parametrize("text", ["", "soon", "Wed, 99 Foo 2026"])
def test_what_says_neither_asks_for_nothing(text: str) -> None:
    assert seconds_of(text) == 0.0
