from __future__ import annotations

from pathlib import Path

import pytest

from platforms.endpoint_keys import digest, ensure_keys
from platforms.errors import PlatformError
from platforms.local.secrets import FileSecrets
from platforms.values import key_secret
from scoring_service.keys import Keys, KeysError


@pytest.mark.parametrize(
    ("content", "usable"),
    [
        ("new abc\nold def\n", True),
        ("\nonly abc\n\n", True),
        ("new abc\\nold def", False),
        ("abc\n", False),
        ("same abc\nsame def\n", False),
        ("new äbc\n", False),
        ("\n", False),
    ],
)
def test_what_the_service_would_refuse_reaches_no_replica_and_shows_no_key(
    tmp_path: Path, content: str, usable: bool
) -> None:
    secrets = FileSecrets(tmp_path)
    secrets.create(key_secret("diabetes", "prod"), content)
    if usable:
        assert ensure_keys(secrets, "diabetes", "prod") == content
        Keys.read(tmp_path / "scoring-diabetes-prod")
        return
    with pytest.raises(PlatformError, match=r"^secret 'scoring-diabetes-prod'.*store it again") as refused:
        ensure_keys(secrets, "diabetes", "prod")
    assert "bc" not in str(refused.value)
    with pytest.raises(KeysError):
        Keys.read(tmp_path / "scoring-diabetes-prod")


def test_a_digest_tells_keys_apart_and_does_not_tell_them() -> None:
    assert digest("default abc\n") == digest("default abc\n") != digest("default abd\n")
    assert "abc" not in digest("default abc\n")
