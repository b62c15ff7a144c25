"""The OpenAPI 3.1 description, generated from the schema of the recipe."""

from __future__ import annotations

from typing import TypeAlias

from scoring_service.schema import Feature, Schema
from scoring_service.settings import Settings

Json: TypeAlias = dict[str, object]

REFUSALS = {
    "400": "The request is not HTTP or not JSON",
    "404": "There is no such path",
    "405": "The method is not allowed on this path",
    "408": "The request took too long to arrive",
    "413": "The body or the number of rows is too large",
    "417": "An expectation other than 100-continue",
    "431": "The headers are too large",
    "500": "The service failed",
}
SCORE_REFUSALS = {
    "401": "The key is missing or wrong",
    "422": "Rows do not fit the schema, or have no finite prediction; each error names row and field",
    "503": "The request could not be logged, so it was not answered",
}


def document(schema: Schema, settings: Settings) -> Json:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{schema.recipe} scoring",
            "version": str(settings.model_version),
            "description": "Only /score needs a key. TLS ends in front of the service.",
        },
        "paths": {
            "/score": {"post": _score(schema)},
            "/health/live": _get("live", "Whether the process runs", _STATUS),
            "/health/ready": _get("ready", "Whether requests are answered", _STATUS, {"503": "The replica drains"}),
            "/metadata": _get("metadata", "What is served", {"type": "object"}),
            "/openapi.json": _get("openapi", "This description", {"type": "object"}),
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Rows": _rows(schema, settings), "Result": _RESULT, "Problem": _PROBLEM},
        },
    }


def _score(schema: Schema) -> Json:
    values = [_example(feature) for feature in schema.features]
    examples = {
        "lists": {"value": {"data": [values]}},
        "objects": {"value": {"data": [dict(zip(schema.names, values, strict=True))]}},
    }
    answer = _content("application/json", {"$ref": "#/components/schemas/Result"})
    header = {"x-request-id": {"description": "The request's id in the log", "schema": {"type": "string"}}}
    return {
        "operationId": "score",
        "summary": f"Predict {schema.target}",
        "security": [{"key": []}],
        "parameters": [
            {"name": "x-request-id", "in": "header", "required": False, "schema": {"type": "string"}},
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/Rows"}, "examples": examples},
            },
        },
        "responses": {
            "200": {"description": "One prediction per row", "headers": header, **answer},
            **_problems(REFUSALS | SCORE_REFUSALS),
        },
    }


def _get(operation: str, summary: str, answer: Json, others: dict[str, str] | None = None) -> Json:
    content = _content("application/json", answer)
    described = {status: {"description": text, **content} for status, text in (others or {}).items()}
    responses = {"200": {"description": summary, **content}, **described, **_problems(REFUSALS)}
    return {
        method: {"operationId": f"{operation}_{method}", "summary": summary, "security": [], "responses": responses}
        for method in ("get", "head")
    }


def _problems(refusals: dict[str, str]) -> Json:
    content = _content("application/problem+json", {"$ref": "#/components/schemas/Problem"})
    return {status: {"description": text, **content} for status, text in refusals.items()}


def _content(media_type: str, schema: Json) -> Json:
    return {"content": {media_type: {"schema": schema}}}


def _rows(schema: Schema, settings: Settings) -> Json:
    count = len(schema.features)
    values = [_value(feature) for feature in schema.features]
    named = {
        "type": "object",
        "properties": dict(zip(schema.names, values, strict=True)),
        "required": schema.names,
        "additionalProperties": False,
    }
    listed = {"type": "array", "prefixItems": values, "minItems": count, "maxItems": count}
    many = {"type": "array", "minItems": 1, "maxItems": settings.max_rows}
    data = {"oneOf": [{**many, "items": listed}, {**many, "items": named}]}
    return {"type": "object", "properties": {"data": data}, "required": ["data"]}


def _value(feature: Feature) -> Json:
    bounds = {"minimum": feature.minimum, "maximum": feature.maximum}
    known = {name: bound for name, bound in bounds.items() if bound is not None}
    return {"type": feature.type, "title": feature.name, **known}


def _example(feature: Feature) -> float:
    low, high = feature.minimum, feature.maximum
    if low is not None and high is not None:
        return (low + high) / 2
    return low if low is not None else high if high is not None else 0.0


_STATUS: Json = {"type": "object", "properties": {"status": {"type": "string"}}, "required": ["status"]}
_RESULT: Json = {
    "type": "object",
    "properties": {"result": {"type": "array", "items": {"type": "number"}}},
    "required": ["result"],
}
_PROBLEM: Json = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "row": {"type": "integer"},
                    "field": {"type": "string"},
                    "message": {"type": "string"},
                },
                "required": ["message"],
            },
        },
    },
    "required": ["type", "title", "status", "detail"],
}
