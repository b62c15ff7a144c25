"""Laws that hold between the protocols."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.scoring_service import forms
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
    *textual, binary = service.ask(_requests(rows, order))
    numbers = [answer.numbers for answer in textual]
    (length, count) = int(binary.headers["inference-header-content-length"]), len(rows)
    numbers.append(list(struct.unpack(f"<{count}d", binary.body[length:])))
    assert numbers == [numbers[0]] * (forms.COUNT + 3 + 2)
    logged = records(service.logs)[-len(numbers) :]
    assert all(record["inputs"] == logged[0]["inputs"] for record in logged)
    assert all(record["outputs"] == numbers[0] for record in logged)
    assert [list(row.values()) for row in logged[0]["inputs"]] == rows


def _requests(rows: list[list[float]], order: list[int]) -> bytes:
    inputs = [*forms.whole(rows), forms.by_column(NAMES, ["FP64"] * 10, rows, order)]
    tail = np.array(rows).tobytes()
    tensor = {"name": "input", "datatype": "FP64", "shape": [len(rows), 10]}
    head = json.dumps(
        {
            "inputs": [{**tensor, "parameters": {"binary_data_size": len(tail)}}],
            "parameters": {"binary_data_output": True},
        }
    ).encode()
    binary = message(head + tail, f"Inference-Header-Content-Length: {len(head)}", path=INFER)
    plain = message(_plain(rows), "Content-Type: text/csv", path="/invocations")
    return forms.textual(INFER, NAMES, rows, order, inputs) + plain + binary


def _plain(rows: list[list[float]]) -> str:
    """A CSV that quotes nothing."""
    return "\n".join([",".join(NAMES), *(",".join(map(repr, row)) for row in rows)])


@pytest.mark.parametrize("path", ["/score", INFER, "/invocations"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=60), data=st.data())
def test_no_body_makes_it_fail(service: Running, path: str, body: bytes, data: st.DataObject) -> None:
    content = data.draw(st.sampled_from(["application/json", "text/csv"]))
    length = data.draw(st.integers(0, 70))
    raw = message(body, f"Content-Type: {content}", f"Inference-Header-Content-Length: {length}", path=path)
    assert [400 <= answer.status < 500 for answer in service.ask(raw)] == [True]
