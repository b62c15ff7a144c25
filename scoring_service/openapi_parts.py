"""The recurring parts of the OpenAPI description: operations, refusals, media types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

Json: TypeAlias = dict[str, object]

REFUSALS: Final = {
    "400": "The request is not HTTP, or its body not what its type says",
    "404": "There is no such path",
    "405": "The method is not allowed on this path",
    "408": "The request took too long to arrive",
    "413": "The body or the number of rows is too large",
    "415": "The body is compressed, or of another type",
    "417": "An expectation other than 100-continue",
    "431": "The headers are too large",
    "500": "The service failed",
}
SCORE_REFUSALS: Final = {
    "401": "The key is missing or wrong",
    "422": "Rows do not fit the schema, or have no finite prediction; each error names row and field",
    "503": "There is too much to do, or the request could not be logged; `Retry-After` says when to ask again",
}
STATUS: Final[Json] = {"type": "object"}


def get(operation: str, summary: str, answer: Json, others: Mapping[str, str] | None = None) -> Json:
    """A path that is read; `answer` is its content by media type, `others` are further statuses like it."""
    described: Json = {status: {"description": text, **answer} for status, text in (others or {}).items()}
    responses: Json = {"200": {"description": summary, **answer}}
    responses |= described | problems(REFUSALS)
    return {
        method: {"operationId": f"{operation}_{method}", "summary": summary, "security": [], "responses": responses}
        for method in ("get", "head")
    }


def post(operation: str, summary: str, bodies: Json, answer: Json) -> Json:
    """A path that predicts; `bodies` are its media types, `answer` the content of its answer."""
    header = {"x-request-id": {"description": "The request's id in the log", "schema": {"type": "string"}}}
    responses: Json = {"200": {"description": "One prediction per row", "headers": header, **answer}}
    responses |= problems(REFUSALS | SCORE_REFUSALS)
    return {
        "post": {
            "operationId": operation,
            "summary": summary,
            "security": [{"key": []}],
            "parameters": [
                {"name": "x-request-id", "in": "header", "required": False, "schema": {"type": "string"}},
            ],
            "requestBody": {"required": True, "content": bodies},
            "responses": responses,
        }
    }


def problems(refusals: Mapping[str, str]) -> Json:
    """Refusals by status, as problem details."""
    answer = content("application/problem+json", {"$ref": "#/components/schemas/Problem"})
    return {status: {"description": text, **answer} for status, text in refusals.items()}


def content(media_type: str, schema: Json) -> Json:
    """Content of one media type."""
    return {"content": {media_type: {"schema": schema}}}


def listed(items: Json, maximum: int | None = None) -> Json:
    """A list of at least one item."""
    return {"type": "array", "minItems": 1, "items": items, **({} if maximum is None else {"maxItems": maximum})}


def structure(properties: Json, required: list[str] | None = None, closed: bool = False) -> Json:
    """An object with these properties, by default all required."""
    wanted = list(properties) if required is None else required
    others = {"additionalProperties": False} if closed else {}
    return {"type": "object", "properties": properties, "required": wanted, **others}
