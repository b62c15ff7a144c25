from __future__ import annotations

import pytest

from scoring_service.settings import Settings, SettingsError


def test_reads_every_kind_of_value() -> None:
    environ = {
        "SCORING_KEYS_FILE": "/keys",
        "SCORING_PORT": "81",
        "SCORING_DRAIN_SECONDS": "2.5",
        "SCORING_LISTEN_FD": "7",
        "SCORING_LOG_DIR": "",
        "OTHER": "1",
    }
    settings = Settings.read(environ)
    assert (settings.keys_file, settings.port, settings.drain_seconds) == ("/keys", 81, 2.5)
    assert (settings.listen_fd, settings.log_dir, settings.max_rows) == (7, None, 10_000)


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, "SCORING_KEYS_FILE is not set"),
        ({"SCORING_PORT": "x"}, "SCORING_PORT: Expected `int`"),
        ({"SCORING_PORT": "70000"}, "SCORING_PORT"),
        ({"SCORING_MAX_ROWS": "0"}, "SCORING_MAX_ROWS"),
        ({"SCORING_DRAIN_SECONDS": "-1"}, "SCORING_DRAIN_SECONDS"),
    ],
)
def test_a_bad_value_names_its_variable(environ: dict[str, str], named: str) -> None:
    keys = {"SCORING_KEYS_FILE": "/keys"} if environ else {}
    with pytest.raises(SettingsError, match=named):
        Settings.read(keys | environ)
