"""Rows that lack numbers through every protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # has no types

from log_shipper import lines
from recipes import columns
from scoring_service import invocations
from scoring_service.matrix import MANY
from scoring_service.openapi_bodies import Bodies
from scoring_service.schema import Feature, Schema
from scoring_service.settings import Settings
from tests.recipes import gaps
from tests.scoring_service import forms
from tests.scoring_service.contexts import make_context, make_fitted, write_json, write_manifest
from tests.scoring_service.serving import Running, get, message, records, running
from tests.scoring_service.test_openapi import examples_of, play

INFER = "/v2/models/gaps/infer"
NAMES = list(gaps.recipe.features)
FEATURES = gaps.rows()[NAMES]
ESTIMATOR = gaps.imputed().fit(FEATURES, gaps.rows()["yield"])
ROWS = st.lists(
    st.tuples(st.none() | st.floats(0, 9), st.floats(0, 9), st.none() | st.floats(-99, 99)),
    min_size=1,
    max_size=MANY + 2,
)
Gappy = tuple[float | None, float, float | None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_fitted(tmp_path_factory.mktemp("gaps") / "context", gaps.recipe, ESTIMATOR, FEATURES)


@pytest.fixture
def service(folder: Path, tmp_path: Path) -> Iterator[Running]:
    with running(folder, tmp_path / "logs", max_rows=50) as service:
        yield service


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(rows=ROWS, order=st.permutations(range(3)))
def test_the_same_rows_give_the_same_numbers_everywhere(
    service: Running, rows: list[Gappy], order: list[int]
) -> None:
    answers = service.ask(_requests(rows, order))
    numbers = [answer.numbers for answer in answers]
    assert numbers == [numbers[0]] * (forms.COUNT + 3 + 1)
    expected = ESTIMATOR.predict(_frame(rows))
    np.testing.assert_allclose(numbers[0], expected, rtol=1e-9, atol=1e-9)
    for inputs in _logged(service)[-len(numbers) :]:
        assert [tuple(row.values()) for row in inputs] == rows


def _frame(rows: list[Gappy]) -> Any:  # noqa: ANN401  # pandas-stubs knows no rows of mixed types
    import pandas as pd

    return pd.DataFrame(rows, columns=NAMES, dtype="float64")


def _logged(service: Running) -> list[list[dict[str, float | None]]]:
    """The inputs of each request as the shipper reads them."""
    written = [line for file in sorted(service.logs.iterdir()) for line in file.read_bytes().splitlines()]
    return [msgspec.json.decode(lines.read(line).inputs) for line in written]


def _requests(rows: list[Gappy], order: list[int]) -> bytes:
    inputs = [*forms.whole(rows), forms.by_column(NAMES, ["FP64"] * 3, rows, order)]
    return forms.textual(INFER, NAMES, rows, order, inputs) + _binary(np.array(rows, np.float64), "FP64")


def _binary(matrix: np.ndarray, datatype: str) -> bytes:
    tail = matrix.tobytes()
    tensor = {"name": "input", "datatype": datatype, "shape": [*matrix.shape]}
    head = json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": len(tail)}}]}).encode()
    return message(head + tail, f"Inference-Header-Content-Length: {len(head)}", path=INFER)


def test_single_precision_lacks_values_too(service: Running) -> None:
    matrix = np.array([[np.nan, 2.5, np.nan], [9, 2.5, -1]])
    single, double = service.ask(_binary(matrix.astype("<f4"), "FP32") + _binary(matrix, "FP64"))
    assert single.numbers == double.numbers


def test_a_csv_spells_a_missing_number_as_in_batches(service: Running) -> None:
    assert invocations.EMPTY == columns._EMPTY
    table = "\n".join(["rain,sun,lime", *(f" {spelt} ,1,{spelt}" for spelt in invocations.EMPTY)])
    answers = service.ask(message(table, "Content-Type: text/csv", path="/invocations") + message(_row(None)))
    assert answers[0].numbers == answers[1].numbers * len(invocations.EMPTY)


def _row(rain: object, sun: object = 1, lime: object = None) -> dict[str, list[list[object]]]:
    return {"data": [[rain, sun, lime]]}


@pytest.mark.parametrize(
    ("body", "field", "told"),
    [
        (_row(None, None), "sun", "expected a number, got null"),
        (_row(10), "rain", "10.0 is more than the maximum 9.0"),
        (_row("1"), "rain", "expected a number or null, got a string"),
        (_row(float("nan")), "rain", "nan is not a finite number"),
        (_row(1, 1, float("inf")), "lime", "inf is not a finite number"),
        ({"data": [{"rain": 1, "sun": 1}]}, None, "missing ['lime']"),
    ],
)
def test_what_may_not_be_missing_is_named(
    service: Running, body: dict[str, list[object]], field: str | None, told: str
) -> None:
    named = {"field": field} if field else {}
    answers = service.ask(message(body) + message({"instances": body["data"]}, path="/invocations"))
    assert [answer.status for answer in answers] == [422, 422]
    assert [answer.json["errors"] for answer in answers] == [[{"row": 0, **named, "message": told}]] * 2
    assert records(service.logs) == []


def test_tensors_may_lack_no_others(service: Running) -> None:
    sun = {"name": "sun", "datatype": "FP64", "shape": [1], "data": [None]}
    others = [{"name": name, "datatype": "FP64", "shape": [1], "data": [None]} for name in ("rain", "lime")]
    answers = service.ask(
        message({"inputs": [*others, sun]}, path=INFER)
        + message({"inputs": [*others, {**sun, "datatype": "INT64"}]}, path=INFER)
        + _binary(np.array([[1, np.nan, np.nan]]), "FP64")
        + _binary(np.array([[np.inf, 1, np.nan]]), "FP64")
    )
    assert [answer.status for answer in answers] == [422] * 4
    expected = (
        "`data` of `sun` are no FP64 values",
        "`data` of `sun` are no INT64 values",
        "row 0, field 'sun': nan is not a finite number",
        "row 0, field 'rain': inf is not a finite number",
    )
    for answer, told in zip(answers, expected, strict=True):
        assert told in str(answer.json["detail"])


def test_a_table_may_lack_no_others(service: Running) -> None:
    (answer,) = service.ask(message("rain,sun,lime\n,,1", "Content-Type: text/csv", path="/invocations"))
    assert (answer.status, answer.json["detail"]) == (422, "row 0, field 'sun': expected a number, got ''")


def test_what_may_be_missing_is_described(service: Running) -> None:
    described, metadata = service.ask(get("/openapi.json") + get("/metadata"))
    rows = described.json["components"]["schemas"]["Rows"]  # type: ignore[index]  # JSON
    valid = Draft202012Validator(rows)
    for body, status in ((_row(None), 200), (_row(1, None), 422), ({"data": [dict.fromkeys(NAMES)]}, 422)):
        assert valid.is_valid(body) is (status == 200)
        assert service.ask(message(body))[0].status == status
    named = rows["properties"]["data"]["oneOf"][1]["items"]["properties"]
    assert [each["type"] for each in named.values()] == [["number", "null"], "number", ["number", "null"]]
    assert [each["nullable"] for each in metadata.json["features"]] == [True, False, True]  # type: ignore[attr-defined]  # JSON
    examples = list(examples_of(described.json))
    for path, media_type, example in examples:
        assert service.ask(message(example, f"Content-Type: {media_type}", path=path))[0].status == 200


@pytest.mark.long
def test_schemathesis_finds_nothing(service: Running) -> None:
    play(service)


def test_listed_numbers_may_be_missing_too() -> None:
    schema = Schema("r", "y", (Feature("n", "number", values=(0.5, 1.0), nullable=True),))
    row = Bodies(schema, Settings(keys_file="-"))._list_row()
    assert row["prefixItems"] == [{"type": ["number", "null"], "title": "n", "enum": [0.5, 1.0, None]}]


def test_a_model_that_needs_every_value_gives_no_number(tmp_path: Path) -> None:
    folder = make_context(tmp_path / "context", names=["a", "b"])
    schema = json.loads((folder / "schema.json").read_bytes())
    schema["features"][0]["nullable"] = True
    write_json(folder / "schema.json", schema)
    write_manifest(folder)
    with running(folder, tmp_path / "logs") as service:
        answers = service.ask(message({"data": [[0, 0], [None, 0]]}) + message({"data": [[0, 0]]}))
    assert [answer.status for answer in answers] == [422, 200]
    assert answers[0].json["errors"] == [{"row": 1, "message": "the prediction is not finite"}]
