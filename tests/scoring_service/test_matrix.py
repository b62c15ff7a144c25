from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from log_shipper import lines
from scoring_service.matrix import MANY, Matrix
from tests.scoring_service.contexts import NAMES
from tests.scoring_service.serving import message, records, running

VALUES = np.random.default_rng(1).uniform(-0.2, 0.2, (MANY, len(NAMES)))
INFER = "/v2/models/diabetes/infer"


def test_a_matrix_is_its_rows() -> None:
    matrix = Matrix.of([tuple(row) for row in VALUES.tolist()])
    assert [*matrix] == [tuple(row) for row in VALUES.tolist()]
    assert (len(matrix), len(matrix[2:5]), matrix[-1]) == (MANY, 3, tuple(VALUES[-1].tolist()))
    assert Matrix.of(matrix) is matrix
    assert (matrix.values == VALUES).all()


def asked(protocol: str) -> bytes:
    rows = VALUES.tolist()
    if protocol == "/score":
        return message({"data": rows})
    if protocol == "/invocations":
        return message({"instances": rows}, path="/invocations")
    tensor = {"name": "input", "datatype": "FP64", "shape": [*VALUES.shape]}
    if protocol == "v2":
        return message({"inputs": [tensor | {"data": rows}]}, path=INFER)
    tail = VALUES.tobytes()
    head = json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": len(tail)}}]}).encode()
    return message(head + tail, f"Inference-Header-Content-Length: {len(head)}", path=INFER)


@pytest.mark.parametrize("protocol", ["/score", "/invocations", "v2", "v2-binary"])
@pytest.mark.parametrize("redacted", ["", "sex,s6"])
def test_many_rows_are_logged_as_they_came(context: Path, tmp_path: Path, protocol: str, redacted: str) -> None:
    with running(context, tmp_path, log_redact=redacted) as service:
        [answer] = service.ask(asked(protocol))
    assert answer.status == 200, answer.body
    [logged] = records(tmp_path)
    kept = [name for name in NAMES if name not in redacted.split(",")]
    assert {name: logged["inputs"][name] for name in ("rows", "columns")} == {"rows": MANY, "columns": kept}
    [record] = [lines.read(line) for file in tmp_path.iterdir() for line in file.read_bytes().splitlines()]
    expected = [dict(zip(NAMES, row, strict=True)) for row in VALUES.tolist()]
    assert json.loads(bytes(record.inputs)) == [{name: row[name] for name in kept} for row in expected]


def test_few_rows_are_logged_as_text(context: Path, tmp_path: Path) -> None:
    with running(context, tmp_path) as service:
        service.ask(message({"data": VALUES[: MANY - 1].tolist()}))
    [logged] = records(tmp_path)
    assert logged["inputs"] == [dict(zip(NAMES, row, strict=True)) for row in VALUES[: MANY - 1].tolist()]


def test_a_bad_row_of_many_is_named(context: Path, tmp_path: Path) -> None:
    rows = VALUES.tolist()
    rows[7][3] = 0.4
    with running(context, tmp_path) as service:
        for body, path in (({"data": rows}, "/score"), ({"instances": rows}, "/invocations")):
            [answer] = service.ask(message(body, path=path))
            assert (answer.status, json.loads(answer.body)["errors"][0]["row"]) == (422, 7)
