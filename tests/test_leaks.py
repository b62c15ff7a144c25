"""The search for secrets finds what it is to find."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL

from platforms.local.storage import LocalStorage
from tests import leaks

VALUE = 'k3y+/="a secret value"'
SECRETS = {"the key": VALUE}


@pytest.mark.parametrize(
    "content",
    [
        VALUE,
        json.dumps({"header": f"Bearer {VALUE}"}),
        f"https://host/?key={quote(VALUE, safe='')}",
        *(base64.b64encode(f"{'x' * shift}{VALUE} and more".encode()).decode() for shift in range(4)),
    ],
)
def test_a_value_is_found_in_every_encoding(content: str) -> None:
    assert leaks.told(SECRETS, [("here", f"before {content} after".encode())]) == ["here tells the key"]


def test_other_content_tells_nothing() -> None:
    assert leaks.told(SECRETS, [("here", b"the key has an id, k3y, and a name")]) == []


def test_a_value_that_is_found_by_chance_is_no_secret() -> None:
    with pytest.raises(AssertionError, match="by chance"):
        leaks.told({"short": "abc"}, [])


def test_files_and_blobs_are_searched_but_not_where_secrets_are_kept(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "storage")
    storage.write("logs/diabetes/run/flow.log", VALUE.encode())
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_text(VALUE)
    assert leaks.told(SECRETS, leaks.in_storage(storage)) == ["blob logs/diabetes/run/flow.log tells the key"]
    found = leaks.told(SECRETS, leaks.in_folder(tmp_path, "secrets"))
    assert found == ["storage/logs/diabetes/run/flow.log tells the key"]
    assert leaks.told(SECRETS, leaks.in_documents("tags", [{"id": 3, "tags": [VALUE]}])) == ["tags 3 tells the key"]


def test_a_parameter_of_a_run_is_searched(prefect_server: None) -> None:
    @flow
    def careless(key: str) -> None:
        """Has a secret as its parameter."""

    careless(VALUE)
    found = leaks.told(SECRETS, leaks.in_prefect(str(PREFECT_API_URL.value())))
    assert [where.split()[1] for where in found] == ["flow_runs"]
