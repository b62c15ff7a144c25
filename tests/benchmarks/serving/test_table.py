from __future__ import annotations

import math
from pathlib import Path

import pytest

from benchmarks.serving import results
from benchmarks.serving.peers import PEERS, Peer, Question
from benchmarks.serving.results import Memory, Missing, Result, Slice, Started
from benchmarks.serving.table import Table

OURS = Peer("ridgeline", "Ridgeline", (), (Question("rows", "/"), Question("v2", "/")), kind="ours")


def a_slice(peer: str, turn: str, good: int, rows: int = 1, question: int = 0, failed: int = 0) -> Slice:
    connections = 64 if rows == 1 else 4
    return Slice(peer, turn, question, connections, rows, good, 2.0, 1.5, 9.0, 1e6 / good, failed)


MEASURED: list[Result] = [
    Missing("azureml", "it did not start"),
    Started("ridgeline", 0.25),
    Started("azureml", 3.0),
    Missing("bentoml", "no such wheel"),
    a_slice("ridgeline", "1", 60_000),
    a_slice("azureml", "1", 1_000),
    a_slice("ridgeline", "2", 10_000),
    a_slice("azureml", "2", 500),
    a_slice("ridgeline", "3", 90_000),
    a_slice("ridgeline", "4", 400, 1000),
    a_slice("ridgeline", "4", 800, 1000, 1),
    a_slice("azureml", "4", 200, 1000, failed=3),
    Memory("ridgeline", 47.3),
    Memory("azureml", 200.0),
]


def test_what_is_written_is_read_again_and_added_to(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    assert list(results.read(file)) == []
    for result in MEASURED:
        results.append(file, result)
    assert list(results.read(file)) == MEASURED


def test_ratios_compare_within_a_turn() -> None:
    table = Table([OURS, *PEERS], MEASURED)
    assert table.ratio("ridgeline", "azureml", 64) == 40.0
    assert table.ratio("ridgeline", "azureml", 4, 1000, (1, 0)) == 4.0
    assert math.isnan(table.ratio("ridgeline", "nginx", 64))


def test_the_table_tells_medians_ratios_and_what_is_missing() -> None:
    lines = list(Table([OURS, *PEERS], MEASURED).lines())
    ours, azureml = (
        next(line for line in lines if line.startswith(f"| {title}")) for title in ("Ridgeline", "azureml")
    )
    assert "| - / - / 30,000 | 1.5 / 9.0 | 17 | 47 | 0.25 | 1.00x |" in ours
    assert "| - / - / 375 |" in azureml
    assert "| 3.00 | 40x | - | 90x | - | - |" in azureml
    assert "| BentoML | not measured |" in "\n".join(lines)
    assert "| azureml-inference-server-http | rows | 100 | 5,000 | 9.0 | 4.00x | 4.00x |" in lines
    assert "bentoml was not measured: no such wheel" in lines
    assert "azureml: 3 requests failed" in lines
    assert not any("mlflow" in line for line in lines)


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_peer_has_what_it_names(peer: Peer) -> None:
    from benchmarks.serving.material import BODIES
    from benchmarks.serving.peers import APPS, REQUIREMENTS

    assert all(question.body in BODIES for question in peer.questions)
    assert peer.template is None or (APPS / peer.template).exists()
    if peer.requirements is not None:
        pins = (REQUIREMENTS / f"{peer.requirements}.txt").read_text().splitlines()
        assert pins
        assert all("==" in pin and "://" not in pin for pin in pins)
