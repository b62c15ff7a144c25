"""MLflow's scoring protocol: `/invocations` in all its input forms."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from scoring_service.columns import order_of, rows_of_columns, rows_of_table
from scoring_service.explain import NOUNS, kind_of, parse
from scoring_service.messages import Answer, Request, Response
from scoring_service.problem import FieldError, ProblemError, some_of
from scoring_service.rows import Row, RowDecoder
from scoring_service.schema import Feature, Schema, Value
from scoring_service.scoring import Scorer

FORMS: Final = ("dataframe_split", "dataframe_records", "instances", "inputs")
INTEGER: Final = re.compile(r"[+-]?[0-9]{1,19}")
EMPTY: Final = "", "NA", "N/A", "#N/A", "#NA", "n/a", "NULL", "null", "NaN", "nan", "-NaN", "-nan", "None"
"""How a CSV spells a missing number, as in batches (`recipes.columns`)."""
EXPECTED: Final = f"expected one of {', '.join(FORMS)}"


class _Predictions(msgspec.Struct, gc=False):
    predictions: Sequence[float]


class Invocations:
    """Speaks the protocol for one model."""

    def __init__(self, schema: Schema, max_rows: int, scorer: Scorer) -> None:
        self._schema = schema
        self._scorer = scorer
        self._rows = RowDecoder.of(schema, max_rows)

    def invoke(self, request: Request, key_id: str) -> Answer:
        """Answer a body of `POST /invocations`; raises `ProblemError`."""
        return self._scorer.answer(request, self._read(request), key_id, _render)

    def _read(self, request: Request) -> Sequence[Row]:
        media_type = request.headers.get(b"content-type", b"application/json").partition(b";")[0].strip().lower()
        if media_type == b"text/csv":
            return self._rows.check(_csv_rows(bytes(request.body), self._schema), "the table", finite=False)
        if media_type != b"application/json":
            told = media_type.decode("latin-1")
            raise ProblemError(415, f"the content type is {told}, expected application/json or text/csv")
        document, finite = _parse(bytes(request.body))
        form, content = _form(document)
        return self._rows.check(_json_rows(form, content, self._schema), f"`{form}`", finite)


def _render(outputs: list[float], request_id: str) -> Response:
    headers = b"x-request-id: %b\r\n" % request_id.encode()
    return Response(200, msgspec.json.encode(_Predictions(outputs)), headers=headers)


def _parse(body: bytes) -> tuple[object, bool]:
    """The document, and whether every number in it is finite: the lenient parser takes NaN, to name its row."""
    try:
        return msgspec.json.decode(body), True
    except (msgspec.DecodeError, ValueError, RecursionError):
        return parse(body, EXPECTED), False


def _form(document: object) -> tuple[str, object]:
    if not isinstance(document, dict):
        raise ProblemError(422, f"the body is {kind_of(document)}; {EXPECTED}")
    forms = [form for form in FORMS if form in document]
    if len(forms) != 1:
        raise ProblemError(422, f"the body has {some_of(sorted(map(str, document)))}; {EXPECTED}")
    return forms[0], document[forms[0]]


def _json_rows(form: str, content: object, schema: Schema) -> object:
    if form == "dataframe_split":
        return _split_rows(content, schema)
    if form == "inputs" and isinstance(content, dict):
        return rows_of_columns(content, schema)
    if form == "dataframe_records" and isinstance(content, list) and content and not isinstance(content[0], dict):
        raise ProblemError(422, f"row 0 of `{form}` is {kind_of(content[0])}, expected an object")
    return content


def _split_rows(content: object, schema: Schema) -> object:
    if not isinstance(content, Mapping):
        raise ProblemError(422, f"`dataframe_split` is {kind_of(content)}, expected an object")
    columns, data = content.get("columns"), content.get("data")
    if not isinstance(columns, list) or not isinstance(data, list):
        raise ProblemError(
            422, f"`dataframe_split` has {some_of(sorted(content))}, expected the lists `columns` and `data`"
        )
    return rows_of_table(columns, data, schema)


def _csv_rows(body: bytes, schema: Schema) -> list[list[Value | None]]:
    try:
        header, *lines = [line for line in csv.reader(io.StringIO(body.decode("utf-8-sig")), strict=True) if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ProblemError(400, f"the body is no CSV: {error}") from None
    except ValueError:
        raise ProblemError(422, f"the body is empty; expected a header with {schema.names}") from None
    order = order_of(header, schema)
    return [_csv_row(row, line, order, schema) for row, line in enumerate(lines)]


def _csv_row(row: int, line: Sequence[str], order: Sequence[int], schema: Schema) -> list[Value | None]:
    if len(line) != len(order):
        raise ProblemError.of_rows([FieldError(f"expected {len(order)} values, got {len(line)}", row)])
    values: list[Value | None] = []
    for index, feature in zip(order, schema.features, strict=True):
        try:
            values.append(_csv_value(line[index], feature))
        except ValueError:
            error = FieldError(f"expected {NOUNS[feature.type]}, got {line[index]!r}", row, feature.name)
            raise ProblemError.of_rows([error]) from None
    return values


def _csv_value(text: str, feature: Feature) -> Value | None:
    if feature.nullable and text.strip() in EMPTY:
        return None
    if feature.type == "string":
        return text
    if feature.type == "boolean":
        return {"true": True, "false": False}.get(text.strip().lower(), text)
    plain = text.replace("_", "x")
    if feature.type == "integer" and INTEGER.fullmatch(plain.strip()):
        return int(plain)
    return float(plain)
