from __future__ import annotations

import re

from tests.scoring_service.serving import Running, get


def test_the_page_needs_nothing_from_elsewhere(service: Running) -> None:
    (answer,) = service.ask(get("/docs"))
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    page = answer.body.decode()
    assert not re.search(r"https?://|\bsrc=|@import|url\(", page)
    assert 'fetch("/openapi.json")' in page
    for element in re.findall(r'getElementById\("(\w+)"\)', page):
        assert f'id="{element}"' in page
