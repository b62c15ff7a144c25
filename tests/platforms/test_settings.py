from __future__ import annotations

import pytest
from pydantic import ValidationError

from platforms.settings import Settings


@pytest.mark.parametrize("name", ["prefect_port", "qa_port", "prod_port", "mlflow_port"])
@pytest.mark.parametrize("value", ["0", "-1", "65536"])
def test_a_port_that_cannot_be_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"RIDGELINE_{name.upper()}", value)
    with pytest.raises(ValidationError, match=name):
        Settings()
