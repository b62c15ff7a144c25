from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scoring_service.invocations import EMPTY
from scoring_service.model import load_model
from tests.scoring_service.contexts import COEFFICIENTS, INTERCEPT, NAMES, ROW
from tests.scoring_service.serving import Answer, Running, get, message, records, running

FRAME = pd.DataFrame([ROW, [0.0] * 10, [value / 3 for value in ROW]], columns=list(NAMES), index=[7, 3, 5])
SHUFFLED = FRAME[list(reversed(NAMES))]
CSV = "text/csv"


def invoke(service: Running, body: object, content_type: str = "application/json; charset=utf-8") -> Answer:
    (answer,) = service.ask(message(body, f"Content-Type: {content_type}", path="/invocations"))
    return answer


Predict = Callable[[object], list[float]]


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Predict]:
    """MLflow's own scoring server, as far as parsing and predicting goes, with the model as a pyfunc."""
    import warnings

    # It warns past every filter that `predict` has no type hints.
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("ignore")
        import mlflow.pyfunc
        from mlflow.models import infer_signature
        from mlflow.pyfunc.scoring_server import infer_and_parse_data, parse_csv_input

        class Linear(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # mlflow is not followed
            # MLflow looks at the names of the arguments, and takes type hints for a schema, so there are none.
            def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ANN001,ANN202  # see above
                return model_input.to_numpy(np.float64) @ np.array(COEFFICIENTS) + INTERCEPT

        folder = tmp_path_factory.mktemp("mlflow") / "model"
        signature = infer_signature(FRAME, np.array([1.0]))
        mlflow.pyfunc.save_model(folder, python_model=Linear(), signature=signature, pip_requirements=["numpy"])
        model = mlflow.pyfunc.load_model(str(folder))
        schema = model.metadata.get_input_schema()

        def predict(body: object) -> list[float]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                data = (
                    parse_csv_input(io.StringIO(body), schema)
                    if isinstance(body, str)
                    else infer_and_parse_data(body, schema)
                )
                return [float(value) for value in model.predict(data)]

        yield predict


@pytest.mark.parametrize("frame", [FRAME, SHUFFLED, FRAME[:1]])
def test_named_forms_give_what_mlflow_gives(service: Running, oracle: Predict, frame: pd.DataFrame) -> None:
    records_ = frame.to_dict(orient="records")
    bodies: list[object] = [
        {"dataframe_split": frame.to_dict(orient="split")},
        {"dataframe_records": records_},
        {"instances": records_},
        {"inputs": frame.to_dict(orient="list")},
    ]
    for body in bodies:
        answer = invoke(service, body)
        assert answer.status == 200
        assert answer.json["predictions"] == pytest.approx(oracle(json.loads(json.dumps(body))), rel=1e-12)
    text = frame.to_csv(index=False)
    assert invoke(service, text, CSV).json["predictions"] == pytest.approx(oracle(text), rel=1e-12)


def test_what_is_missing_is_so_for_mlflow_too(oracle: Predict) -> None:
    from mlflow.pyfunc.scoring_server import infer_and_parse_data, parse_csv_input
    from mlflow.types import ColSpec, DataType, Schema

    schema = Schema([ColSpec(DataType.double, name) for name in ("a", "b")])
    table = "\n".join(["a,b", *(f"{spelt},1" for spelt in EMPTY)])
    found = [parse_csv_input(io.StringIO(table), schema)]
    for body in (
        {"dataframe_split": {"columns": ["b", "a"], "data": [[1, None]]}},
        {"dataframe_records": [{"a": None, "b": 1}]},
        {"instances": [{"a": None, "b": 1}]},
        {"inputs": {"a": [None], "b": [1]}},
    ):
        found.append(pd.DataFrame(infer_and_parse_data(body, schema)))
    assert all(frame["a"].isna().all() and (frame["b"] == 1).all() for frame in found)


@pytest.mark.parametrize("spoil", [lambda frame: frame.drop(columns="bmi")])
def test_what_mlflow_refuses_is_refused(
    service: Running, oracle: Predict, spoil: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    frame = spoil(FRAME)
    for body in ({"dataframe_split": frame.to_dict(orient="split")}, {"inputs": frame.to_dict(orient="list")}):
        with pytest.raises(Exception, match="bmi"):
            oracle(body)
        answer = invoke(service, body)
        assert answer.status == 422
        assert answer.json["errors"] == [{"message": "missing ['bmi']"}]


def test_positional_forms_and_a_single_row_of_names(service: Running, context: Path) -> None:
    rows = FRAME.to_numpy()
    expected = load_model(context / "model", NAMES).predict(rows).tolist()
    for name in ("instances", "inputs"):
        assert invoke(service, {name: rows.tolist(), "params": {}}).json == {"predictions": expected}
    single = dict(zip(reversed(NAMES), reversed(ROW), strict=True))
    assert invoke(service, {"inputs": single}).json == {"predictions": expected[:1]}
    assert len(records(service.logs)) == 3


def split(columns: Any, data: Any) -> dict[str, Any]:  # noqa: ANN401  # any JSON
    return {"dataframe_split": {"columns": columns, "data": data}}


COLUMNS = {name: [0] for name in NAMES}
UNKNOWN = [*NAMES[:-1], "s7"]


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ("{", 400, "not JSON"),
        ("[" * 19000, 400, "nested"),
        ([], 422, "the body is a list"),
        ({}, 422, "expected one of dataframe_split"),
        ({"inputs": [], "instances": []}, 422, "the body has ['inputs', 'instances']"),
        ({"inputs": 3}, 422, "`inputs` is a number"),
        ({"inputs": []}, 422, "`inputs` is empty"),
        ({"inputs": list(ROW)}, 422, "row 0: expected a list of 10 numbers, got a number"),
        ({"inputs": [[0] * 9]}, 422, "got 9"),
        ({"inputs": [[10**400] + [0] * 9]}, 422, "inf is not a finite number"),
        ('{"inputs": [[NaN, 0,0,0,0,0,0,0,0,0]]}', 422, "row 0, field 'age': nan"),
        ({"inputs": {"age": [1]}}, 422, "missing ['sex', 'bmi'"),
        ({"inputs": COLUMNS | {"age": [0, 0]}}, 422, "the same length"),
        ({"inputs": COLUMNS | {"age": 0}}, 422, "the same length"),
        ({"inputs": COLUMNS | {"age": ["x"]}}, 422, "row 0, field 'age': expected a number"),
        ({"instances": [[0] * 10] * 51}, 413, "`instances` has 51 rows"),
        ({"instances": [{"age": 0, "x": 1}]}, 422, "row 0: missing ['sex'"),
        ({"dataframe_records": [[0] * 10]}, 422, "row 0 of `dataframe_records` is a list"),
        ({"dataframe_records": {}}, 422, "`dataframe_records` is an object"),
        ({"dataframe_split": []}, 422, "`dataframe_split` is a list"),
        ({"dataframe_split": {"data": [[0] * 10]}}, 422, "expected the lists `columns` and `data`"),
        (split(UNKNOWN, [[0] * 10]), 422, "missing ['s6'], unknown ['s7']"),
        (split([*NAMES, "age"], [[0] * 11]), 422, "repeated ['age']"),
        (split([*NAMES[:-1], 1], [[0] * 10]), 422, "unknown ['1']"),
        (split([*NAMES[:-1], [[1]]], [[0] * 10]), 422, "unknown ['a list']"),
        (split(NAMES[::-1], [[0] * 10, [0] * 9]), 422, "row 1: expected 10 numbers"),
        (split(NAMES[::-1], [[0] * 9 + ["x"]]), 422, "row 0, field 'age': expected a number, got a string"),
        (split(NAMES, []), 422, "is empty"),
    ],
)
def test_refuses_and_says_why(service: Running, body: object, status: int, named: str) -> None:
    answer = invoke(service, body)
    assert answer.status == status
    assert named in str(answer.json["detail"])
    assert records(service.logs) == []


def test_columns_may_be_nested_as_deeply_as_json_can_be_read(service: Running) -> None:
    limit = sys.getrecursionlimit()
    columns = ("[" * depth + "]" * depth for depth in range(limit - 50, limit))
    bodies = (f'{{"dataframe_split": {{"columns": [{column}], "data": []}}}}' for column in columns)
    answers = service.ask(b"".join(message(body, path="/invocations") for body in bodies))
    # From Python 3.12 on a parser in C goes deeper than that, and none of them is refused as malformed.
    assert {answer.status for answer in answers} - {400} == {422}


HEADER = ",".join(NAMES)
ZEROS = ",".join("0" * 10)


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ("", 422, "expected a header"),
        (HEADER, 422, "the table is empty"),
        (f"{HEADER}\n0,0", 422, "row 0: expected 10 values, got 2"),
        (f"{HEADER}\n\n{ZEROS}\n,{ZEROS[2:]}", 422, "row 1, field 'age': expected a number, got ''"),
        (f"{HEADER}\n1_0,{ZEROS[2:]}", 422, "got '1_0'"),
        (f"{HEADER}\nnan,{ZEROS[2:]}", 422, "row 0, field 'age': nan is not a finite number"),
        (f"{HEADER}\n5,{ZEROS[2:]}", 422, "5.0 is more than the maximum 0.3"),
        (f"{HEADER},x\n{ZEROS},0", 422, "unknown ['x']"),
        (b"\xff", 400, "no CSV"),
        (f'{HEADER}\n"0', 400, "no CSV"),
    ],
)
def test_refuses_tables_and_says_why(service: Running, body: object, status: int, named: str) -> None:
    answer = invoke(service, body, CSV)
    assert answer.status == status
    assert named in str(answer.json["detail"])


def test_tables_may_have_marks_quotes_and_other_line_ends(service: Running) -> None:
    quoted = ",".join(f'"{name}"' for name in NAMES)
    body = f"\ufeff{quoted}\r\n{ZEROS}\r\n".encode()
    assert invoke(service, body, CSV).json == {"predictions": [INTERCEPT]}


def test_other_content_types_are_refused(service: Running) -> None:
    answer = invoke(service, {"inputs": [ROW]}, "application/x-parquet")
    assert (answer.status, "application/x-parquet" in str(answer.json["detail"])) == (415, True)


def test_ping_and_version(service: Running) -> None:
    assert [answer.status for answer in service.ask(get("/ping") + get("/version"))] == [200, 200]
    service.router.draining = True
    assert [answer.status for answer in service.ask(get("/ping"))] == [503]


def test_a_hundred_thousand_wrong_names_cost_little_and_are_not_all_told(context: Path, tmp_path: Path) -> None:
    names = [f"c{index}" for index in range(100_000)]
    bodies: list[object] = [
        {"dataframe_split": {"columns": names, "data": []}},
        {"dataframe_records": [dict.fromkeys(names, 1)]},
    ]
    with running(context, tmp_path) as service:
        for body in bodies:
            (answer,) = service.ask(message(body, path="/invocations"))
            assert answer.status == 422
            assert "and 99980 more" in str(answer.json["errors"])
            assert len(answer.body) < 2000
