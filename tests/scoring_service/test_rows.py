from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring_service.explain import explain
from scoring_service.problem import ProblemError
from scoring_service.rows import RowDecoder
from scoring_service.schema import Feature, Schema

SCHEMA = Schema(
    "r", "y", (Feature("age", "number", -0.3, 0.3), Feature("s 1", "number", 0.0), Feature("class", "number"))
)
DECODER = RowDecoder(SCHEMA, 5)
MIXED = Schema(
    "r",
    "y",
    (
        Feature("age", "number", -0.3, 0.3),
        Feature("s 1", "integer", -1.5, 9.0),
        Feature("class", "string", values=("a", "age")),
        Feature("x", "boolean"),
        Feature("n", "number", values=(0.0, 0.1)),
        Feature("i", "integer", values=(0.0, 7.0)),
        Feature("t", "string"),
    ),
)
MIXED_DECODER = RowDecoder(MIXED, 5)
NULLABLE = Schema(
    "r",
    "y",
    (
        Feature("a", "number", -0.3, 0.3, nullable=True),
        Feature("b", "number"),
        Feature("c", "number", nullable=True),
        Feature("t", "string"),
    ),
)
NULLABLE_DECODER = RowDecoder.of(NULLABLE, 5)
ANY = st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.sampled_from(["a", "age", 0.1, 0.0, 7])
CLOSE = st.tuples(
    st.floats(-0.3, 0.3) | ANY,
    st.integers(-1, 9) | st.sampled_from([-1.0, 3.0, 10, -2]) | ANY,
    st.sampled_from(["a", "age", "b"]) | ANY,
    st.booleans() | ANY,
    st.sampled_from([0, 0.0, 0.1, 0.2]) | ANY,
    st.sampled_from([0, 7, 7.0, 1]) | ANY,
    st.text() | ANY,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3) | st.sampled_from([0.1, 0, "age"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["age", "s 1", "class", "data", "x"]), inner, max_size=4)
    ),
    max_leaves=20,
)
GOOD = st.tuples(st.floats(-0.3, 0.3), st.floats(0, 1e300), st.floats(allow_nan=False, allow_infinity=False))


def refusal(body: bytes | str) -> ProblemError:
    with pytest.raises(ProblemError) as refused:
        DECODER.decode(body if isinstance(body, bytes) else body.encode())
    return refused.value


@given(st.lists(GOOD, min_size=1, max_size=5))
def test_lists_and_objects_in_any_order_are_the_same_rows(rows: list[tuple[float, float, float]]) -> None:
    names = SCHEMA.names
    objects = [dict(reversed(list(zip(names, row, strict=True)))) for row in rows]
    assert list(DECODER.decode(json.dumps({"data": rows}).encode())) == rows
    assert list(DECODER.decode(json.dumps({"data": objects, "method": "predict"}).encode())) == rows


@given(JSON)
def test_fast_and_slow_half_agree(document: object) -> None:
    for body in (document, {"data": document}, {"data": [document]}):
        encoded = json.dumps(body).encode()
        assert outcome(lambda raw: list(DECODER.decode(raw)), encoded) == outcome(
            lambda raw: explain(raw, SCHEMA, 5), encoded
        )


@given(st.lists(CLOSE, min_size=1, max_size=3))
def test_fast_and_slow_half_agree_on_other_columns(rows: list[tuple[object, ...]]) -> None:
    objects = [dict(zip(MIXED.names, row, strict=True)) for row in rows]
    for data in (rows, objects):
        body = json.dumps({"data": data}).encode()
        fast = outcome(lambda raw: list(MIXED_DECODER.decode(raw)), body)
        assert repr(fast) == repr(outcome(lambda raw: explain(raw, MIXED, 5), body))


LACKING = st.tuples(
    st.none() | st.floats(-0.3, 0.3) | ANY,
    st.floats() | ANY,
    st.none() | st.sampled_from([0, 0.1]) | ANY,
    st.text() | ANY,
)


@given(st.lists(LACKING, min_size=1, max_size=3))
def test_fast_and_slow_half_agree_on_missing_values(rows: list[tuple[object, ...]]) -> None:
    for data in (rows, [dict(zip(NULLABLE.names, row, strict=True)) for row in rows]):
        body = json.dumps({"data": data}).encode()
        fast = outcome(lambda raw: list(NULLABLE_DECODER.decode(raw)), body)
        assert repr(fast) == repr(outcome(lambda raw: explain(raw, NULLABLE, 5), body))


def test_null_is_a_missing_value_where_there_may_be_one() -> None:
    for row in ([None, 1, 5, "x"], {"b": 1, "a": None, "c": 5, "t": "x"}):
        assert repr(NULLABLE_DECODER.decode(json.dumps({"data": [row]}).encode())) == "[(nan, 1.0, 5.0, 'x')]"
        assert repr(NULLABLE_DECODER.check([row], "`data`")) == "[(nan, 1.0, 5.0, 'x')]"
    for name in ("b", "t"):
        row = {"a": None, "b": 1, "c": None, "t": "x", name: None}
        with pytest.raises(ProblemError, match=f"row 0, field '{name}': expected a .*, got null"):
            NULLABLE_DECODER.decode(json.dumps({"data": [row]}).encode())


def test_a_missing_value_is_none_of_those_listed_and_needs_not_be() -> None:
    decoder = RowDecoder.of(Schema("r", "y", (Feature("n", "number", values=(0.0, 0.1), nullable=True),)), 5)
    assert repr(decoder.decode(b'{"data": [[null], [0.1]]}')) == "[(nan,), (0.1,)]"
    with pytest.raises(ProblemError, match=r"row 1, field 'n': 0\.2 is none of"):
        decoder.decode(b'{"data": [[null], [0.2]]}')


def test_only_schemas_with_nullable_features_pay_for_them() -> None:
    assert [type(RowDecoder.of(schema, 5)) for schema in (SCHEMA, MIXED)] == [RowDecoder, RowDecoder]


def test_nullable_features_are_numbers() -> None:
    with pytest.raises(ValueError, match="'t' is nullable, which only a number can be"):
        Feature("t", "string", nullable=True)


def outcome(decode: object, body: bytes) -> object:
    assert callable(decode)
    try:
        return decode(body)
    except ProblemError as problem:
        return problem.status, problem.detail


@given(st.binary(max_size=200))
def test_garbage_is_refused(body: bytes) -> None:
    assert refusal(body).status in (400, 422)


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ("", 400, "not JSON"),
        (b'{"data": [["\xff"]]}', 400, "not JSON"),
        (b'{"data": [[0, 0, 0]], "note": "\xff"}', 400, "not JSON"),
        (b'{"note": {"\xff": 1}, "data": [[0, 0, 0]]}', 400, "not JSON"),
        ("{", 400, "not JSON"),
        ("[" * 100_000, 400, "nested too deeply"),
        ('{"x": ' * 100_000, 400, "nested too deeply"),
        ("[]", 422, "the body is a list"),
        ("null", 422, "the body is null"),
        ("1", 422, "the body is a number"),
        ("{}", 422, "`data` is missing"),
        ('{"data": "x"}', 422, "`data` is a string"),
        ('{"data": []}', 422, "`data` is empty"),
        ('{"data": [1]}', 422, "row 0: expected a list of 3 numbers, got a number"),
        ('{"data": [[0, 0]]}', 422, "row 0: expected 3 numbers .*, got 2"),
        ('{"data": [[0, 0, 0], [0, 0, 0, 0]]}', 422, "row 1: expected 3 numbers .*, got 4"),
        ('{"data": [[0, 0, "1"]]}', 422, "row 0, field 'class': expected a number, got a string"),
        ('{"data": [[0, true, 0]]}', 422, "row 0, field 's 1': expected a number, got true"),
        ('{"data": [[null, 0, 0]]}', 422, "row 0, field 'age': expected a number, got null"),
        ('{"data": [[0, 0, [0]]]}', 422, "row 0, field 'class': expected a number, got a list"),
        ('{"data": [[0, 0, {}]]}', 422, "row 0, field 'class': expected a number, got an object"),
        ('{"data": [[0, 0, NaN]]}', 422, "row 0, field 'class': nan is not a finite number"),
        ('{"data": [[0, 0, -Infinity]]}', 422, "row 0, field 'class': -inf is not a finite"),
        ('{"data": [[0, 0, 1e999]]}', 422, "row 0, field 'class': inf is not a finite"),
        ('{"data": [[0, 0, %s]]}' % ("9" * 5000), 422, "row 0, field 'class': inf is not a finite"),
        ('{"data": [[0.31, 0, 0]]}', 422, "row 0, field 'age': 0.31 is more than the maximum 0.3"),
        ('{"data": [[0, -1, 0]]}', 422, "row 0, field 's 1': -1.0 is less than the minimum 0.0"),
        ('{"data": [{"age": 0, "s 1": 0}]}', 422, r"row 0: missing \['class'\]"),
        ('{"data": [{"age": 0, "s 1": 0, "class": 0, "x": 0, "a": 0}]}', 422, r"row 0: unknown \['a', 'x'\]"),
        (
            '{"data": [{"age": 0, "s 1": 0, "class": false}]}',
            422,
            "row 0, field 'class': expected a number, got false",
        ),
        ('{"data": [[0, 0, 0], {"age": 0, "s 1": 0, "class": 0}]}', 422, "row 1: expected a list like row 0"),
        ('{"data": [{"age": 0, "s 1": 0, "class": 0}, [0, 0, 0]]}', 422, "row 1: expected an object like row 0"),
        ('{"data": [[9, 0, 0], [0, 0, 0], [0, 0, null]]}', 422, r"row 0, field 'age': .* \(and 1 more\)"),
        (json.dumps({"data": [[0, 0, 0]] * 6}), 413, "6 rows, at most 5"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_where(body: bytes | str, status: int, named: str) -> None:
    problem = refusal(body)
    assert problem.status == status
    with pytest.raises(ProblemError, match=named):
        raise problem


def test_every_wrong_field_is_listed_up_to_twenty() -> None:
    wide = Schema("r", "y", tuple(Feature(f"f{index}", "number", 0, 1) for index in range(30)))
    with pytest.raises(ProblemError, match="and 29 more") as refused:
        RowDecoder(wide, 5).decode(json.dumps({"data": [[2] * 30]}).encode())
    assert [(error.row, error.field) for error in refused.value.errors] == [(0, f"f{index}") for index in range(20)]


def test_a_single_feature_is_a_row_too() -> None:
    decoder = RowDecoder(Schema("r", "y", (Feature("a", "number"),)), 5)
    assert list(decoder.decode(b'{"data": [[1], [2]]}')) == [(1.0,), (2.0,)]
    assert list(decoder.decode(b'{"data": [{"a": 1}]}')) == [(1.0,)]


def test_braces_elsewhere_do_not_matter() -> None:
    assert list(DECODER.decode(b'{"x": {}, "data": [[0, 0, 1]]}')) == [(0.0, 0.0, 1.0)]
