"""Laws that hold between the protocols."""

from __future__ import annotations

import json
import struct
from itertools import chain

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.scoring_service.contexts import NAMES
from tests.scoring_service.serving import Running, message, records

INFER = "/v2/models/diabetes/infer"
VALUE = st.floats(-0.3, 0.3, allow_subnormal=True)
ROWS = st.lists(st.lists(VALUE, min_size=10, max_size=10), min_size=1, max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, order=st.permutations(range(10)))
def test_the_same_rows_give_the_same_numbers_everywhere(
    service: Running, rows: list[list[float]], order: list[int]
) -> None:
    raw = b"".join(_requests(rows, order))
    *textual, binary = service.ask(raw)
    numbers = [answer.numbers for answer in textual]
    (length, count) = int(binary.headers["inference-header-content-length"]), len(rows)
    numbers.append(list(struct.unpack(f"<{count}d", binary.body[length:])))
    assert numbers == [numbers[0]] * len(numbers)
    logged = records(service.logs)[-len(numbers) :]
    assert all(record["inputs"] == logged[0]["inputs"] for record in logged)
    assert all(record["outputs"] == numbers[0] for record in logged)
    assert [list(row.values()) for row in logged[0]["inputs"]] == rows


def _requests(rows: list[list[float]], order: list[int]) -> list[bytes]:
    names = [NAMES[index] for index in order]
    shuffled = [[row[index] for index in order] for row in rows]
    objects = [dict(zip(names, row, strict=True)) for row in shuffled]
    columns = {name: [row[place] for row in shuffled] for place, name in enumerate(names)}
    whole = {"name": "input", "datatype": "FP64", "shape": [len(rows), 10]}
    tensors = [{"name": n, "datatype": "FP64", "shape": [len(rows)], "data": c} for n, c in columns.items()]
    bodies: list[tuple[str, object]] = [
        ("/score", {"data": rows}),
        ("/score", {"data": objects}),
        (INFER, {"inputs": [{**whole, "data": rows}]}),
        (INFER, {"inputs": [{**whole, "data": list(chain.from_iterable(rows))}]}),
        (INFER, {"inputs": tensors}),
        ("/invocations", {"dataframe_split": {"columns": names, "data": shuffled}}),
        ("/invocations", {"dataframe_records": objects}),
        ("/invocations", {"instances": objects}),
        ("/invocations", {"instances": rows}),
        ("/invocations", {"inputs": columns}),
        ("/invocations", {"inputs": rows}),
    ]
    table = "\n".join([",".join(names), *(",".join(map(repr, row)) for row in shuffled)])
    tail = np.array(rows).tobytes()
    head = json.dumps(
        {
            "inputs": [{**whole, "parameters": {"binary_data_size": len(tail)}}],
            "parameters": {"binary_data_output": True},
        }
    ).encode()
    return [
        *(message(body, path=path) for path, body in bodies),
        message(table, "Content-Type: text/csv", path="/invocations"),
        message(head + tail, f"Inference-Header-Content-Length: {len(head)}", path=INFER),
    ]


@pytest.mark.parametrize("path", ["/score", INFER, "/invocations"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=60), data=st.data())
def test_no_body_makes_it_fail(service: Running, path: str, body: bytes, data: st.DataObject) -> None:
    content = data.draw(st.sampled_from(["application/json", "text/csv"]))
    length = data.draw(st.integers(0, 70))
    raw = message(body, f"Content-Type: {content}", f"Inference-Header-Content-Length: {length}", path=path)
    assert [400 <= answer.status < 500 for answer in service.ask(raw)] == [True]
