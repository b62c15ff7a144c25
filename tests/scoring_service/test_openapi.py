from __future__ import annotations

import pytest

from scoring_service.openapi import REFUSALS, document
from scoring_service.schema import Feature, Schema
from scoring_service.settings import Settings
from tests.scoring_service.contexts import NAMES
from tests.scoring_service.serving import Running, get, message

SCHEMA = Schema(
    "wine", "grade", (Feature("a", "number", 0.0, 1.0), Feature("b", "number", 2.0), Feature("c", "number"))
)


def test_the_schema_is_described() -> None:
    described = document(SCHEMA, Settings(keys_file="-", model_version=7))
    assert described["openapi"] == "3.1.0"
    assert described["info"]["version"] == "7"  # type: ignore[index]  # JSON
    data = described["components"]["schemas"]["Rows"]["properties"]["data"]["oneOf"]  # type: ignore[index]  # JSON
    listed, named = data[0]["items"], data[1]["items"]
    assert listed["prefixItems"] == [
        {"type": "number", "title": "a", "minimum": 0.0, "maximum": 1.0},
        {"type": "number", "title": "b", "minimum": 2.0},
        {"type": "number", "title": "c"},
    ]
    assert named["required"] == ["a", "b", "c"]
    assert data[0]["maxItems"] == 10_000


@pytest.mark.parametrize("kind", ["lists", "objects"])
def test_the_examples_are_answered(service: Running, kind: str) -> None:
    (described,) = service.ask(get("/openapi.json"))
    operation = described.json["paths"]["/score"]["post"]  # type: ignore[index]  # JSON
    example = operation["requestBody"]["content"]["application/json"]["examples"][kind]["value"]
    assert len(example["data"][0]) == len(NAMES)
    (answer,) = service.ask(message(example))
    assert answer.status == 200
    assert {"200", "401", "422", "503", *REFUSALS} == operation["responses"].keys()


def test_every_path_is_described(service: Running) -> None:
    (described,) = service.ask(get("/openapi.json"))
    assert described.json["paths"].keys() == {path.decode() for path in service.router.routes}  # type: ignore[attr-defined]  # JSON
