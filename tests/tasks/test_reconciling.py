from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from platforms.values import EndpointSpec, Image
from tasks import facts, reconciling

SPEC = EndpointSpec("diabetes", "prod", Image("diabetes:3-a", "a" * 64), 3)


@pytest.mark.parametrize("is_applied", [True, False])
def test_only_an_endpoint_that_is_not_as_an_apply_would_leave_it_is_applied(
    monkeypatch: pytest.MonkeyPatch, is_applied: bool
) -> None:
    endpoints = Mock(is_applied=Mock(return_value=is_applied))
    monkeypatch.setattr(reconciling, "current", lambda: SimpleNamespace(endpoints=endpoints))
    monkeypatch.setattr(reconciling, "run_logger", Mock())
    monkeypatch.setattr(facts, "serving", lambda recipe, environment: SPEC)
    assert reconciling._restored("diabetes", "prod") is not is_applied
    endpoints.is_applied.assert_called_once_with(SPEC)
    assert [call.args for call in endpoints.apply.call_args_list] == ([] if is_applied else [(SPEC,)])
