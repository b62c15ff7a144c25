from __future__ import annotations

import pytest

from platforms.errors import NotFoundError
from platforms.local.infrastructure import NoInfrastructure


def test_there_is_nothing_to_create() -> None:
    infrastructure = NoInfrastructure()
    assert (infrastructure.name, infrastructure.plan(), infrastructure.chosen()) == ("", [], {})
    with pytest.raises(NotFoundError, match="nothing to create"):
        infrastructure.apply("Microsoft.Storage/storageAccounts account")
    infrastructure.destroy()
