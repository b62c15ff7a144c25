from __future__ import annotations

import json

import pytest

from benchmarks.serving.server import holds

RIGHT = [1.5, 2.25, -3.0]


@pytest.mark.parametrize(
    "answer",
    [
        {"result": RIGHT},
        RIGHT,
        {"model": "m", "outputs": [{"shape": [3], "data": RIGHT}], "other": [0.5]},
    ],
)
def test_predictions_are_found_wherever_a_protocol_puts_them(answer: object) -> None:
    assert holds(json.dumps(answer).encode(), RIGHT)


@pytest.mark.parametrize("answer", [{"result": [1.5, 2.25, -3.001]}, {"result": RIGHT[:2]}, {"result": "x"}, {}, []])
def test_other_answers_are_wrong(answer: object) -> None:
    assert not holds(json.dumps(answer).encode(), RIGHT)


def test_a_binary_tensor_is_read_from_the_end() -> None:
    import numpy as np

    assert holds(b'{"outputs":[]}' + np.array(RIGHT).tobytes(), RIGHT)
    assert not holds(b'{"outputs":[]}' + np.array([1.5, 2.25, 3.0]).tobytes(), RIGHT)
