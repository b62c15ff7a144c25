from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from scoring_service.model import load_model
from scoring_service.problem import ProblemError
from scoring_service.schema import Feature, Kind, Schema
from scoring_service.tensors import FLOATS, Tensor, TensorReader
from tests.scoring_service.contexts import NAMES, ROW
from tests.scoring_service.serving import KEY, Answer, Running, get, message, records

INFER = "/v2/models/diabetes/infer"
ROWS = [list(ROW), [0.0] * 10, [value / 3 for value in ROW]]


@pytest.fixture(scope="module")
def expected(context: Path) -> list[float]:
    predictions: list[float] = load_model(context / "model", NAMES).predict(np.array(ROWS)).tolist()
    return predictions


def tensor(rows: object = ROWS, **changed: object) -> dict[str, object]:
    return {"name": "input", "datatype": "FP64", "shape": [len(ROWS), 10], "data": rows, **changed}


def columns(rows: Sequence[Sequence[float]] = ROWS) -> list[dict[str, object]]:
    return [
        {"name": name, "datatype": "FP64", "shape": [len(rows), 1], "data": [row[index] for row in rows]}
        for index, name in reversed(list(enumerate(NAMES)))
    ]


def infer(service: Running, inputs: object, **more: object) -> Answer:
    (answer,) = service.ask(message({"inputs": inputs, **more}, path=INFER))
    return answer


def test_answers_nested_flat_and_by_column(service: Running, expected: list[float]) -> None:
    flat = [value for row in ROWS for value in row]
    for inputs in ([tensor()], [tensor(flat)], [tensor(datatype="FP32")], columns()):
        answer = infer(service, inputs, id="mine")
        assert answer.json == {
            "model_name": "diabetes",
            "model_version": "3",
            "id": "mine",
            "outputs": [{"name": "output", "datatype": "FP64", "shape": [3], "data": expected}],
        }
        assert answer.headers["x-request-id"] == "mine"
    logged = records(service.logs)
    assert {record["request_id"] for record in logged} == {"mine"}
    assert all(record["inputs"] == [dict(zip(NAMES, row, strict=True)) for row in ROWS] for record in logged)


def test_an_id_that_cannot_be_logged_is_echoed_and_replaced_in_the_log(service: Running) -> None:
    answer = infer(service, [tensor()], id="two words ☃")
    assert answer.json["id"] == "two words ☃"
    assert records(service.logs)[0]["request_id"] == answer.headers["x-request-id"] != "two words ☃"
    unnamed = infer(service, [tensor()])
    assert unnamed.json["id"] == unnamed.headers["x-request-id"]


def binary(inputs: list[dict[str, object]], tail: bytes, length: int | str | None = None, **more: object) -> bytes:
    head = json.dumps({"inputs": inputs, **more}).encode()
    told = len(head) if length is None else length
    return message(head + tail, f"Inference-Header-Content-Length: {told}", path=INFER)


def test_binary_tensors_in_and_out(service: Running, expected: list[float]) -> None:
    tail = np.array(ROWS).tobytes()
    inputs = [{**tensor(), "parameters": {"binary_data_size": len(tail)}}]
    del inputs[0]["data"]
    (plain,) = service.ask(binary(inputs, tail))
    assert plain.json["outputs"][0]["data"] == expected  # type: ignore[index]  # JSON
    for wish in (
        {"parameters": {"binary_data_output": True}},
        {"outputs": [{"name": "output", "parameters": {"binary_data": True}}]},
    ):
        (answer,) = service.ask(binary(inputs, tail, **wish))
        length = int(answer.headers["inference-header-content-length"])
        (output,) = json.loads(answer.body[:length])["outputs"]
        assert output == {
            "name": "output",
            "datatype": "FP64",
            "shape": [3],
            "parameters": {"binary_data_size": 24},
        }
        assert list(struct.unpack("<3d", answer.body[length:])) == expected


def test_single_precision_may_round_over_a_limit(service: Running) -> None:
    tail = np.full((1, 10), 0.3, np.float32).tobytes()
    inputs: list[dict[str, object]] = [
        {"name": "input", "datatype": "FP32", "shape": [1, 10], "parameters": {"binary_data_size": len(tail)}}
    ]
    assert [answer.status for answer in service.ask(binary(inputs, tail))] == [200]
    tail = np.full((1, 10), np.nextafter(np.float32(0.3), np.float32(1))).tobytes()
    (answer,) = service.ask(binary(inputs, tail))
    assert (answer.status, len(answer.json["errors"])) == (422, 10)  # type: ignore[arg-type]  # JSON


@pytest.mark.parametrize("datatypes", [*itertools.product(["FP64", "FP32", "FP16"], repeat=2)])
def test_each_column_may_round_over_a_limit_in_a_precision_of_its_own(datatypes: tuple[str, str]) -> None:
    reader = TensorReader(Schema("r", "y", (Feature("a", "number", None, 0.3), Feature("b", "number", None, 0.3))), 5)
    parts = [np.array([0.3], FLOATS[datatype]) for datatype in datatypes]
    tensors = [
        Tensor(name, datatype, [1], {"binary_data_size": part.nbytes})
        for name, datatype, part in zip("ab", datatypes, parts, strict=True)
    ]
    (row,) = reader.read(tensors, memoryview(b"".join(part.tobytes() for part in parts)))
    assert list(row) == [float(part[0]) for part in parts]


@pytest.mark.parametrize("kind", ["number", "integer"])
@pytest.mark.parametrize("limit", [70_000.0, 1e300])
def test_a_limit_may_be_beyond_what_a_datatype_can_write(kind: Kind, limit: float) -> None:
    reader = TensorReader(Schema("r", "y", (Feature("a", kind, -limit, limit),)), 5)
    for datatype in ("FP64", "FP32", "FP16"):
        tensor = Tensor("input", datatype, [1, 1], data=msgspec.Raw(b"[2.0]"))
        assert [tuple(row) for row in reader.read([tensor], memoryview(b""))] == [(2.0,)]


def test_a_number_that_is_none_of_the_listed_values_is_refused() -> None:
    reader = TensorReader(Schema("r", "y", (Feature("a", "number", values=(0.5, 1.0)),)), 5)
    tensor = Tensor("input", "FP64", [2, 1], data=msgspec.Raw(b"[0.5, 0.7]"))
    with pytest.raises(ProblemError, match=r"row 1, field 'a': 0\.7 is none of \[0\.5, 1\.0\]"):
        reader.read([tensor], memoryview(b""))


def test_whole_numbers_may_come_in_half_precision() -> None:
    reader = TensorReader(Schema("r", "y", (Feature("a", "integer"),)), 5)
    tensor = Tensor("input", "FP16", [2, 1], {"binary_data_size": 4})
    rows = reader.read([tensor], memoryview(np.array([2, -2048], np.float16).tobytes()))
    assert [(value, type(value)) for (value,) in rows] == [(2, int), (-2048, int)]


def test_binary_numbers_that_are_not_finite_are_named(service: Running) -> None:
    rows = np.array(ROWS)
    rows[1, 2] = np.nan
    inputs: list[dict[str, object]] = [
        {"name": "input", "datatype": "FP64", "shape": [3, 10], "parameters": {"binary_data_size": 240}}
    ]
    (answer,) = service.ask(binary(inputs, rows.tobytes()))
    assert answer.json["detail"] == "row 1, field 'bmi': nan is not a finite number"
    assert answer.json["error"] == answer.json["detail"]


@pytest.mark.parametrize(
    ("inputs", "status", "named"),
    [
        ([], 422, "length >= 1"),
        ([tensor(name="other")], 422, r"unknown ['other']"),
        (columns()[1:], 422, "missing ['s6']"),
        ([*columns(), *columns()[:1]], 422, "repeated ['s6']"),
        ([*columns()[1:], {**columns()[0], "shape": [2], "data": [0, 0]}], 422, "different lengths"),
        ([*columns()[1:], {**columns()[0], "shape": [1, 3]}], 422, "[rows, 1]"),
        ([tensor(shape=[30])], 422, "is not its shape [30]"),
        ([tensor([0] * 30, shape=[30])], 422, "expected [rows, 10]"),
        ([tensor(shape=[3, 9])], 422, "is not its shape [3, 9]"),
        ([tensor([0] * 29)], 422, "29 values"),
        ([tensor(shape=[0, 10], data=[])], 422, "`inputs` is empty"),
        ([tensor(shape=[51, 10], data=[0] * 510)], 413, "51 rows, at most 50"),
        ([tensor(shape=[-1, 10])], 422, "shape"),
        ([tensor(shape=[10**30, 10])], 422, "shape"),
        ([tensor(shape=[2**31, 2**31])], 422, "is not its shape"),
        ([tensor([["a"] * 10] * 3, datatype="BYTES")], 422, "expected one of FP64, FP32"),
        ([*columns()[1:], {**columns()[0], "datatype": "BOOL", "data": [True] * 3}], 422, "the inputs are BOOL"),
        ([tensor(datatype="INT64", data=[[0.5] * 10] * 3)], 422, "no INT64 values"),
        ([tensor([["x"] * 10] * 3)], 422, "no FP64 values"),
        ([tensor([[True] * 10] * 3)], 422, "no FP64 values"),
        ([tensor([[0.5] * 10] * 3)], 422, "row 0, field 'age': 0.5 is more than the maximum 0.3 (and 29 more)"),
        ([tensor(datatype="INT8", data=[10**400, *[0] * 29])], 422, "no INT8 values"),
        ([{"name": "input", "datatype": "FP64", "shape": [1, 10]}], 422, "neither `data` nor"),
        ([tensor(parameters={"binary_data_size": 240})], 422, "0 bytes are there"),
        ([tensor(parameters={"binary_data_size": "240"})], 422, "has 240 bytes"),
    ],
)
def test_refuses_what_is_no_tensor_of_ours(service: Running, inputs: object, status: int, named: str) -> None:
    answer = infer(service, inputs)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert named in str(answer.json["error"])


@pytest.mark.parametrize(
    ("raw", "status", "named"),
    [
        (message("{", path=INFER), 400, "not JSON"),
        (message("[" * 19000, path=INFER), 422, "inference request"),
        (message('{"inputs": [{"data": ' + "[" * 19000, path=INFER), 400, "not JSON"),
        (message([], path=INFER), 422, "no inference request"),
        (message({"inputs": [tensor()], "outputs": [{"name": "x"}]}, path=INFER), 422, "unknown outputs ['x']"),
        (binary([tensor()], b"", "x"), 400, "no length"),
        (binary([tensor()], b"", 10**6), 400, "no length"),
        (binary([tensor()], b"extra"), 422, "5 bytes follow"),
        (message({}, path="/v2/models/other/infer"), 404, "there is no /v2/models/other/infer"),
        (message({}, path="/v2/models/diabetes/versions/4/infer"), 404, "versions/4"),
        (message({}, path=INFER, key=None), 401, "send a valid key"),
    ],
)
def test_refuses_what_is_no_request(service: Running, raw: bytes, status: int, named: str) -> None:
    (answer,) = service.ask(raw)
    assert answer.status == status
    assert named in str(answer.json["error"])


def test_tells_of_server_and_model(service: Running) -> None:
    (server,) = service.ask(get("/v2"))
    assert server.json["extensions"] == ["binary_tensor_data"]
    for path in ("/v2/models/diabetes", "/v2/models/diabetes/versions/3", "/v2/models/%64iabetes"):
        (model,) = service.ask(get(path))
        assert model.json["inputs"] == [{"name": "input", "datatype": "FP64", "shape": [-1, 10]}]
        assert (model.json["name"], model.json["versions"]) == ("diabetes", ["3"])
    model_path = "/v2/models/diabetes"
    paths = ("/v2/health/live", "/v2/health/ready", f"{model_path}/ready", f"{model_path}/versions/3/ready")
    assert [service.ask(get(path))[0].status for path in paths] == [200] * 4
    service.router.draining = True
    assert [service.ask(get(path))[0].status for path in paths] == [200, 503, 503, 503]


class TestTritonClient:
    """The real client of the protocol."""

    @pytest.fixture
    def client(self, service: Running) -> Any:  # noqa: ANN401  # the library has no types
        http = import_module("tritonclient.http")
        client = http.InferenceServerClient(f"127.0.0.1:{service.port}")
        yield client
        client.close()

    def test_sees_health_and_metadata(self, client: Any) -> None:  # noqa: ANN401  # the library has no types
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("diabetes")
        assert client.is_model_ready("diabetes", "3")
        assert not client.is_model_ready("diabetes", "4")
        assert client.get_server_metadata()["name"] == "ridgeline"
        assert client.get_model_metadata("diabetes")["outputs"][0]["name"] == "output"

    @pytest.mark.parametrize("datatype", ["FP64", "FP32"])
    @pytest.mark.parametrize("as_binary", [True, False])
    @pytest.mark.parametrize("wanted", [None, True, False])
    def test_infers(
        self,
        client: Any,  # noqa: ANN401  # the library has no types
        expected: list[float],
        datatype: str,
        as_binary: bool,
        wanted: bool | None,
    ) -> None:
        http = import_module("tritonclient.http")

        values = np.array(ROWS, np.float64 if datatype == "FP64" else np.float32)
        given = http.InferInput("input", values.shape, datatype)
        given.set_data_from_numpy(values, binary_data=as_binary)
        outputs = None if wanted is None else [http.InferRequestedOutput("output", binary_data=wanted)]
        result = client.infer(
            "diabetes", [given], outputs=outputs, request_id="t-1", headers={"Authorization": f"Bearer {KEY}"}
        )
        assert result.as_numpy("output").dtype == np.float64
        assert result.as_numpy("output") == pytest.approx(expected, rel=1e-12 if datatype == "FP64" else 1e-6)
        assert result.get_response()["id"] == "t-1"

    def test_infers_by_column(self, client: Any, expected: list[float]) -> None:  # noqa: ANN401  # no types
        http = import_module("tritonclient.http")

        inputs = []
        for index, name in reversed(list(enumerate(NAMES))):
            inputs.append(http.InferInput(name, [3], "FP64"))
            inputs[-1].set_data_from_numpy(np.array(ROWS)[:, index].copy())
        result = client.infer("diabetes", inputs, model_version="3", headers={"Authorization": f"Bearer {KEY}"})
        assert result.as_numpy("output").tolist() == expected

    def test_is_told_what_is_wrong(self, client: Any) -> None:  # noqa: ANN401  # the library has no types
        http = import_module("tritonclient.http")
        refused = import_module("tritonclient.utils").InferenceServerException

        given = http.InferInput("input", [1, 10], "FP64")
        given.set_data_from_numpy(np.full((1, 10), 0.5))
        with pytest.raises(refused, match="send a valid key"):
            client.infer("diabetes", [given])
        with pytest.raises(refused, match=r"field 'age': 0\.5 is more than the maximum"):
            client.infer("diabetes", [given], headers={"Authorization": f"Bearer {KEY}"})
        with pytest.raises(refused, match="compressed bodies are not read"):
            client.infer("diabetes", [given], request_compression_algorithm="gzip")
