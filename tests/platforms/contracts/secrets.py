from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from platforms.errors import NotFoundError, PlatformError
from platforms.protocols import Secrets


class SecretsContract:
    """Needs a fixture `secrets` that starts empty."""

    def test_the_first_value_stays(self, secrets: Secrets) -> None:
        assert secrets.create("diabetes-prod-key", "id value\n") == "id value\n"
        assert secrets.create("diabetes-prod-key", "other") == "id value\n"
        assert secrets.get("diabetes-prod-key") == "id value\n"

    def test_racing_creators_agree(self, secrets: Secrets) -> None:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda n: secrets.create("k", str(n)), range(16)))
        assert len(set(found)) == 1

    def test_what_is_not_there_is_named(self, secrets: Secrets) -> None:
        with pytest.raises(NotFoundError, match="no secret 'k'"):
            secrets.get("k")

    @pytest.mark.parametrize("name", ["../k", "a/b", "", ".hidden", "a\n"])
    def test_names_that_are_no_names_are_refused(self, secrets: Secrets, name: str) -> None:
        with pytest.raises(PlatformError, match="is no valid name"):
            secrets.create(name, "v")
