"""Rows with texts, integers and truth values through every protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestRegressor

from tests.recipes import flats
from tests.recipes.flats import ROW
from tests.scoring_service import forms
from tests.scoring_service.contexts import make_fitted
from tests.scoring_service.flats import FEATURES, fitted, make_flats
from tests.scoring_service.serving import KEY, Running, get, message, records, running
from tests.scoring_service.test_openapi import examples_of

INFER = "/v2/models/flats/infer"
NAMES = list(flats.recipe.features)
DATATYPES = ("FP64", "INT64", "BOOL", "BYTES", "BYTES")
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=12)
ROWS = st.lists(
    st.tuples(
        st.floats(10, 400),
        st.integers(1, 12),
        st.booleans(),
        st.sampled_from(["gas", "oil", "heat pump"]),
        TEXT | st.sampled_from(["Länggasse", "Old Town", "Bümpliz, west"]),
    ),
    min_size=1,
    max_size=6,
)
Flat = tuple[float, int, bool, str, str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_flats(tmp_path_factory.mktemp("flats") / "one_hot")


@pytest.fixture
def service(folder: Path, tmp_path: Path) -> Iterator[Running]:
    with running(folder, tmp_path / "logs", max_rows=50) as service:
        yield service


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, order=st.permutations(range(5)))
def test_the_same_rows_give_the_same_numbers_everywhere(service: Running, rows: list[Flat], order: list[int]) -> None:
    answers = service.ask(_requests(rows, order))
    numbers = [answer.numbers for answer in answers]
    assert numbers == [numbers[0]] * (forms.COUNT + 2)
    expected = fitted("one_hot").predict(_frame(rows))
    np.testing.assert_allclose(numbers[0], expected, rtol=1e-9)
    for record in records(service.logs)[-len(numbers) :]:
        assert [tuple(row.values()) for row in record["inputs"]] == rows
        assert [type(value) for value in record["inputs"][0].values()][1:] == [int, bool, str, str]


def test_numbers_may_be_missing_beside_other_columns(tmp_path: Path) -> None:
    recipe = replace(flats.recipe, schema=flats.SCHEMA.update_column("area", nullable=True))
    gappy = FEATURES.assign(area=FEATURES["area"].where(FEATURES["rooms"] > 2))
    estimator = flats.one_hot(RandomForestRegressor(5, random_state=0)).fit(gappy, flats.rows()["rent"])
    rows: list[Any] = [ROW, (None, *ROW[1:])]
    with running(make_fitted(tmp_path / "context", recipe, estimator, gappy), tmp_path / "logs") as service:
        answers = service.ask(_requests(rows, [4, 0, 2, 1, 3]))
    expected = estimator.predict(_frame(rows)).tolist()
    assert [answer.numbers for answer in answers] == [pytest.approx(expected, rel=1e-9)] * (forms.COUNT + 2)
    for record in records(tmp_path / "logs"):
        assert [tuple(row.values()) for row in record["inputs"]] == rows


def _frame(rows: list[Flat]) -> Any:  # noqa: ANN401  # pandas-stubs knows no rows of mixed types
    import pandas as pd

    return pd.DataFrame(rows, columns=NAMES).astype(FEATURES.dtypes.to_dict())


def _requests(rows: list[Flat], order: list[int]) -> bytes:
    tensors = forms.by_column(NAMES, DATATYPES, rows, order, 1)
    return forms.textual(INFER, NAMES, rows, order, [tensors]) + _binary(rows, order)


def _binary(rows: list[Flat], order: list[int]) -> bytes:
    inputs, tail = [], b""
    for index in order:
        content = _encoded([row[index] for row in rows], DATATYPES[index])
        tail += content
        shape, size = [len(rows)], {"binary_data_size": len(content)}
        inputs.append({"name": NAMES[index], "datatype": DATATYPES[index], "shape": shape, "parameters": size})
    head = json.dumps({"inputs": inputs}).encode()
    return message(head + tail, f"Inference-Header-Content-Length: {len(head)}", path=INFER)


def _encoded(values: list[Any], datatype: str) -> bytes:
    if datatype == "BYTES":
        return b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in values)
    return np.array(values, {"FP64": "<f8", "INT64": "<i8", "BOOL": "?"}[datatype]).tobytes()


@pytest.mark.parametrize(
    ("changed", "field", "told"),
    [
        ({"heating": "coal"}, "heating", "'coal' is none of ['gas', 'heat pump', 'oil']"),
        ({"heating": 1}, "heating", "expected a string, got a number"),
        ({"district": None}, "district", "expected a string, got null"),
        ({"district": "\ud800"}, "district", "'\\ud800' is not Unicode"),
        ({"garden": 1}, "garden", "expected true or false, got a number"),
        ({"garden": "true"}, "garden", "expected true or false, got a string"),
        ({"rooms": 2.5}, "rooms", "expected an integer, got 2.5"),
        ({"rooms": True}, "rooms", "expected an integer, got true"),
        ({"rooms": 13}, "rooms", "13 is more than the maximum 12.0"),
        ({"rooms": 10**19}, "rooms", "10000000000000000000 is no integer of 64 bits"),
        ({"rooms": -(10**400)}, "rooms", "-inf is not a finite number"),
        ({"area": "83.5"}, "area", "expected a number, got a string"),
    ],
)
def test_a_value_that_does_not_fit_names_row_and_field(
    service: Running, changed: dict[str, object], field: str, told: str
) -> None:
    good = dict(zip(NAMES, ROW, strict=True))
    for path, body in (
        ("/score", {"data": [good, good | changed]}),
        ("/score", {"data": [list(ROW), list((good | changed).values())]}),
        ("/invocations", {"dataframe_records": [good, good | changed]}),
    ):
        (answer,) = service.ask(message(body, path=path))
        assert (answer.status, answer.json["errors"]) == (422, [{"row": 1, "field": field, "message": told}])


def test_a_number_without_fraction_is_an_integer(service: Running) -> None:
    whole, spelt = (dict(zip(NAMES, ROW, strict=True)) | {"rooms": rooms} for rooms in (3, 3.0))
    answers = service.ask(message({"data": [whole]}) + message({"data": [spelt]}))
    assert answers[0].json == answers[1].json
    inputs = [record["inputs"] for record in records(service.logs)]
    assert inputs[0] == inputs[1]
    assert type(inputs[1][0]["rooms"]) is int


def _tensor(index: int, **changed: object) -> dict[str, object]:
    return {"name": NAMES[index], "datatype": DATATYPES[index], "shape": [1], "data": [ROW[index]], **changed}


@pytest.mark.parametrize(
    ("index", "changed", "told"),
    [
        (3, {"data": ["coal"]}, "row 0, field 'heating': 'coal' is none of"),
        (3, {"data": [1]}, "`data` of `heating` are no BYTES values"),
        (3, {"datatype": "FP64", "data": [1]}, "field 'heating': expected a string, got a number"),
        (0, {"datatype": "BYTES", "data": ["1"]}, "field 'area': expected a number, got a string"),
        (1, {"datatype": "FP64", "data": [1.5]}, "field 'rooms': expected an integer, got 1.5"),
        (2, {"datatype": "INT64", "data": [1]}, "field 'garden': expected true or false, got a number"),
        (4, {"parameters": {"binary_data_size": 4}}, "`binary_data_size` of `district` is 4, 0 bytes are there"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(
    service: Running, index: int, changed: dict[str, object], told: str
) -> None:
    tensors = [_tensor(place, **(changed if place == index else {})) for place in range(5)]
    (answer,) = service.ask(message({"inputs": tensors}, path=INFER))
    assert answer.status == 422
    assert told in str(answer.json["detail"])


@pytest.mark.parametrize(
    ("tail", "told"),
    [
        (b"\x02\0\0\0x", "text 0 of `district` is longer than the tensor"),
        (b"\x01\0\0\0x\x01", "text 1 of `district` is longer"),
        (b"\x01\0\0\0\xff", "`district` has a text that is not UTF-8"),
        (b"\x01\0\0\0x\x01\0\0\0y", "`district` has 2 values"),
    ],
)
def test_texts_that_are_torn_are_refused(service: Running, tail: bytes, told: str) -> None:
    torn = {**_tensor(4), "parameters": {"binary_data_size": len(tail)}}
    head = json.dumps({"inputs": [*(_tensor(place) for place in range(4)), torn]}).encode()
    (answer,) = service.ask(message(head + tail, f"Inference-Header-Content-Length: {len(head)}", path=INFER))
    assert answer.status == 422
    assert told in str(answer.json["detail"])


def test_a_matrix_of_all_columns_is_no_input(service: Running) -> None:
    whole = {"name": "input", "datatype": "FP64", "shape": [1, 5], "data": [1, 2, 3, 4, 5]}
    (answer,) = service.ask(message({"inputs": [whole]}, path=INFER))
    assert answer.status == 422
    assert "unknown ['input']" in str(answer.json["detail"])


def test_a_csv_that_does_not_fit_names_row_and_field(service: Running) -> None:
    for value, told in (("maybe", "expected true or false, got a string"), ("1", "expected true or false")):
        table = f"{','.join(NAMES)}\n80,3,{value},gas,x\n"
        (answer,) = service.ask(message(table, "Content-Type: text/csv", path="/invocations"))
        assert (answer.status, answer.json["errors"][0]["field"]) == (422, "garden")  # type: ignore[index]  # JSON
        assert told in str(answer.json["detail"])
    (answer,) = service.ask(
        message(f"{','.join(NAMES)}\n80,three,true,gas,x", "Content-Type: text/csv", path="/invocations")
    )
    assert answer.json["detail"] == "row 0, field 'rooms': expected an integer, got 'three'"


def test_tells_of_its_columns(service: Running) -> None:
    (model,) = service.ask(get("/v2/models/flats"))
    found = [(each["name"], each["datatype"], each["shape"]) for each in model.json["inputs"]]  # type: ignore[attr-defined]  # JSON
    assert found == [(name, datatype, [-1, 1]) for name, datatype in zip(NAMES, DATATYPES, strict=True)]
    (metadata,) = service.ask(get("/metadata"))
    assert metadata.json["form"] == "onnx"
    assert metadata.json["features"][3]["values"] == ["gas", "heat pump", "oil"]  # type: ignore[index]  # JSON


def test_the_examples_of_its_description_are_answered(service: Running) -> None:
    (described,) = service.ask(get("/openapi.json"))
    answers = [
        service.ask(message(example, f"Content-Type: {media_type}", path=path))[0]
        for path, media_type, example in examples_of(described.json)
    ]
    assert [answer.status for answer in answers] == [200] * (2 + 5 + 2)


@pytest.mark.parametrize("as_binary", [True, False])
def test_triton_s_client_sends_texts(service: Running, as_binary: bool) -> None:
    http = import_module("tritonclient.http")
    client = http.InferenceServerClient(f"127.0.0.1:{service.port}")
    dtypes = (np.float64, np.int64, np.bool_, np.object_, np.object_)
    inputs = []
    for name, datatype, dtype, value in zip(NAMES, DATATYPES, dtypes, ROW, strict=True):
        given = http.InferInput(name, [1, 1], datatype)
        given.set_data_from_numpy(np.array([[value]], dtype), binary_data=as_binary)
        inputs.append(given)
    result = client.infer("flats", inputs, headers={"Authorization": f"Bearer {KEY}"})
    client.close()
    assert result.as_numpy("output") == pytest.approx(fitted("one_hot").predict(_frame([ROW])))


@pytest.mark.parametrize("kind", ["strict", "encoded"])
def test_unknown_categories_follow_the_estimator(tmp_path: Path, kind: str) -> None:
    known, unknown = list(ROW), [*ROW[:4], "Atlantis"]
    with running(make_flats(tmp_path / "context", kind), tmp_path / "logs") as service:
        raw = message({"data": [unknown]}) + message({"data": [known, known, unknown]}) + message({"data": [known]})
        one, many, good = service.ask(raw)
    assert good.status == 200
    if kind == "encoded":
        expected = fitted(kind).predict(_frame([tuple(unknown)]))  # type: ignore[list-item]  # a row
        assert one.json["result"] == pytest.approx(expected)
        assert many.status == 200
    else:
        assert (one.status, many.status) == (422, 422)
        assert [error["row"] for error in many.json["errors"]] == [2]  # type: ignore[attr-defined]  # JSON
        assert "the model refuses it" in str(one.json["detail"])
