from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # has no types

from scoring_service.openapi import document
from scoring_service.openapi_parts import REFUSALS
from scoring_service.schema import Feature, Schema
from scoring_service.settings import Settings
from tests.scoring_service.contexts import ROW
from tests.scoring_service.serving import KEY, Running, get, message

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


def test_the_examples_are_answered(service: Running) -> None:
    (described,) = service.ask(get("/openapi.json"))
    answered = 0
    for path, media_type, example in examples_of(described.json):
        (answer,) = service.ask(message(example, f"Content-Type: {media_type}", path=path))
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        answered += 1
    assert answered == 2 + 5 + 2 * 2


def examples_of(described: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for path, operations in described["paths"].items():
        bodies = operations.get("post", {"requestBody": {"content": {}}})["requestBody"]["content"]
        for media_type, body in bodies.items():
            if "example" in body:
                yield path, media_type, body["example"]
            yield from ((path, media_type, example["value"]) for example in body.get("examples", {}).values())


def test_every_refusal_is_described(service: Running) -> None:
    (described,) = service.ask(get("/openapi.json"))
    operation = described.json["paths"]["/score"]["post"]  # type: ignore[index]  # JSON
    assert {"200", "401", "422", "503", *REFUSALS} == operation["responses"].keys()


def test_schemathesis_finds_nothing(service: Running) -> None:
    play(service)


def play(service: Running) -> None:
    """Send what the description says is good, and what it does not, and hold the answers against it."""
    schemathesis = import_module("schemathesis")
    url = f"http://127.0.0.1:{service.port}"
    schema = schemathesis.openapi.from_dict(service.ask(get("/openapi.json"))[0].json)
    checks = [
        schemathesis.checks.not_a_server_error,
        schemathesis.specs.openapi.checks.status_code_conformance,
        schemathesis.specs.openapi.checks.content_type_conformance,
        schemathesis.specs.openapi.checks.response_schema_conformance,
        schemathesis.specs.openapi.checks.positive_data_acceptance,
    ]
    checked = set()
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(max_examples=12, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:  # noqa: ANN401  # the library's
            # That a text is a table with the right columns is not what a schema can say.
            usable = checks[:-1] if case.media_type == "text/csv" else checks
            case.call_and_validate(base_url=url, checks=usable, headers={"Authorization": f"Bearer {KEY}"})

        check()
        checked.add((operation.path, operation.method))
    paths = schema.raw_schema["paths"].items()
    assert checked == {(path, method) for path, methods in paths for method in methods}


def test_what_a_tensor_may_not_have_is_not_described_as_valid(service: Running) -> None:
    (described,) = service.ask(get("/openapi.json"))
    operation = described.json["paths"]["/v2/models/diabetes/infer"]["post"]  # type: ignore[index]  # JSON
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    tensor = {"name": "input", "datatype": "FP64", "shape": [1, 10], "data": list(ROW)}
    for wrong in ({"inputs": [{**tensor, "parameters": [1]}]}, {"inputs": [tensor], "parameters": 1}):
        assert not Draft202012Validator(body).is_valid(wrong)
        assert service.ask(message(wrong, path="/v2/models/diabetes/infer"))[0].status == 422
    assert Draft202012Validator(body).is_valid({"inputs": [tensor], "id": "1"})


def test_every_path_is_described(service: Running) -> None:
    (described,) = service.ask(get("/openapi.json"))
    assert described.json["paths"].keys() == {path.decode() for path in service.router.routes}  # type: ignore[attr-defined]  # JSON
