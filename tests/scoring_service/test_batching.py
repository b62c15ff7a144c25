"""Requests that are predicted together."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scoring_service.batching import MOST_ROWS
from scoring_service.refusal import RowsRefusedError
from tests.scoring_service.contexts import make_context
from tests.scoring_service.serving import Answer, Running, get, message, parse, records, running

SMALL, REFUSED, BROKEN, ENDLESS = 0.0, 0.1, 0.2, 0.3


class Sums:
    """A model that adds up a row, and cannot take some rows; `calls` are the rows of each call."""

    batched = True

    def __init__(self) -> None:
        self.calls: list[int] = []

    def predict(self, rows: np.ndarray) -> np.ndarray:
        self.calls.append(len(rows))
        if (rows[:, 0] == REFUSED).any():
            raise RowsRefusedError("not this one")
        if (rows[:, 0] == BROKEN).any():
            raise ZeroDivisionError("broken")
        return np.where(rows[:, 0] == ENDLESS, np.inf, rows.sum(axis=1))

    def predict_one(self, row: Sequence[float]) -> float:
        return float(self.predict(np.array([row]))[0])


@pytest.fixture(scope="module")
def skops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_context(tmp_path_factory.mktemp("contexts") / "skops", "skops")


@contextmanager
def summing(folder: Path, logs: Path, **changed: Any) -> Iterator[tuple[Running, Sums]]:
    model = Sums()
    with running(folder, logs, **changed) as service:
        service.router.scorer._model = model  # type: ignore[assignment]  # a model as far as scoring is concerned
        yield service, model


def row(first: float = SMALL, rest: float = 0.0) -> list[float]:
    return [first, *[rest] * 9]


def test_what_arrives_together_is_predicted_at_once_and_answered_in_order(skops: Path, tmp_path: Path) -> None:
    with summing(skops, tmp_path) as (service, model):
        values = [index / 100 for index in range(20)]
        answers = service.ask(b"".join(message({"data": [row(rest=value)]}) for value in values))
        assert [answer.json["result"] for answer in answers] == [[pytest.approx(9 * value)] for value in values]
        assert model.calls == [20]
        assert [record["outputs"] for record in records(tmp_path)] == [answer.json["result"] for answer in answers]


def test_one_bad_request_spoils_no_other(skops: Path, tmp_path: Path) -> None:
    bodies = [[row()], [row(), row(REFUSED)], [row(BROKEN)], [row(ENDLESS)], [[9.0] * 10], [row(rest=0.1), row()]]
    with summing(skops, tmp_path) as (service, _):
        answers = service.ask(b"".join(message({"data": data}) for data in bodies))
        page = service.page()
    assert [answer.status for answer in answers] == [200, 422, 500, 422, 422, 200]
    assert answers[1].json["errors"] == [{"row": 1, "message": "the model refuses it: not this one"}]
    assert "broken" not in str(answers[2].json)
    assert answers[3].json["errors"] == [{"row": 0, "message": "the prediction is not finite"}]
    assert answers[5].json["result"] == [pytest.approx(0.9), 0.0]
    assert [len(record["inputs"]) for record in records(tmp_path)] == [1, 2]
    counted = [line for line in page.splitlines() if 'kind="' in line or ("_count" in line and "score" in line)]
    assert [line.rpartition(" ")[2] for line in counted if 'kind="internal_server_error"' in line] == ["1"]
    assert [line.rpartition(" ")[2] for line in counted if 'route="score"' in line] == ["2"]


def test_a_batch_ends_at_so_many_rows(skops: Path, tmp_path: Path) -> None:
    with summing(skops, tmp_path, max_body_bytes=10**7) as (service, model):
        bodies = [[row()] * 400, [row()] * 600, [row()] * 600, [row()] * (2 * MOST_ROWS), [row()]]
        bodies = [[[0] * 10 for _ in body] for body in bodies]
        answers = service.ask(b"".join(message({"data": body}) for body in bodies))
    assert [len(answer.json["result"]) for answer in answers] == [400, 600, 600, 2 * MOST_ROWS, 1]  # type: ignore[arg-type]  # JSON
    assert sum(model.calls) == 1601 + 2 * MOST_ROWS
    assert max(model.calls) == 2 * MOST_ROWS


def test_records_are_on_disk_before_answers_of_a_batch(skops: Path, tmp_path: Path) -> None:
    with summing(skops, tmp_path, log_sync=True) as (service, _):
        answers = service.ask(b"".join(message({"data": [row()]}, f"X-Request-Id: r{i}") for i in range(9)))
        assert [answer.headers["x-request-id"] for answer in answers] == [f"r{i}" for i in range(9)]
    assert [record["request_id"] for record in records(tmp_path)] == [f"r{i}" for i in range(9)]


def test_a_batch_that_cannot_be_logged_is_refused(
    skops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_records: object) -> None:
        raise OSError(28, "No space left on device")

    with summing(skops, tmp_path) as (service, _):
        monkeypatch.setattr(service.recorder.log, "extend", full)
        answers = service.ask(message({"data": [row()]}) * 3)
        monkeypatch.undo()
        assert [answer.status for answer in answers] == [503] * 3
        assert service.ask(message({"data": [row()]}))[0].status == 200


def test_protocols_and_other_paths_mix_in_one_batch(skops: Path, tmp_path: Path) -> None:
    infer = {"inputs": [{"name": "input", "datatype": "FP64", "shape": [1, 10], "data": row(rest=0.1)}], "id": "v"}
    with summing(skops, tmp_path) as (service, model):
        raw = message(infer, path="/v2/models/diabetes/infer") + get("/ping")
        raw += message({"instances": [row(rest=0.1)]}, path="/invocations") + message({"data": [row(REFUSED)]})
        v2, ping, mlflow, refused = service.ask(raw)
    assert v2.json["outputs"][0]["data"] == mlflow.json["predictions"] == [pytest.approx(0.9)]  # type: ignore[index]  # JSON
    assert (ping.status, refused.status, v2.json["id"]) == (200, 422, "v")
    assert model.calls[0] == 3


def test_many_clients_at_once_each_get_their_own_answer(skops: Path, tmp_path: Path) -> None:
    clients, rounds = 16, 12
    with summing(skops, tmp_path) as (service, _):
        found: dict[int, list[Answer]] = {}
        threads = [
            threading.Thread(target=lambda client=client: found.update({client: _talk(service, client, rounds)}))
            for client in range(clients)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    for client in range(clients):
        statuses = [422 if _is_bad(client, turn) else 200 for turn in range(rounds)]
        assert [answer.status for answer in found[client]] == statuses
        expected = [_value(client, turn) * 9 for turn in range(rounds) if not _is_bad(client, turn)]
        results = [answer.json["result"] for answer in found[client] if answer.status == 200]
        assert results == [[pytest.approx(value)] for value in expected]
    good = [answer for answers in found.values() for answer in answers if answer.status == 200]
    acknowledged = {answer.headers["x-request-id"] for answer in good}
    logged = [record["request_id"] for record in records(tmp_path)]
    assert len(logged) == len(set(logged))
    assert set(logged) == acknowledged


def _talk(service: Running, client: int, rounds: int) -> list[Answer]:
    with service.connect() as connection:
        answers: list[Answer] = []
        for turn in range(rounds):
            first = REFUSED if _is_bad(client, turn) else SMALL
            connection.sendall(message({"data": [row(first, _value(client, turn))]}))
            received = b""
            while not (b"\r\n\r\n" in received and _complete(received)):
                received += connection.recv(65536)
            answers += parse(received)
        return answers


def _complete(received: bytes) -> bool:
    try:
        return bool(json.loads(parse(received)[0].body))
    except ValueError:
        return False


def _value(client: int, turn: int) -> float:
    return (client * 12 + turn) / 1000


def _is_bad(client: int, turn: int) -> bool:
    return (client + turn) % 7 == 0


def test_a_draining_service_answers_its_last_batch(skops: Path, tmp_path: Path) -> None:
    with summing(skops, tmp_path) as (service, _), service.connect() as client:
        service.hub.draining = True
        client.sendall(message({"data": [row()]}) * 2)
        received: Any = b"".join(iter(lambda: client.recv(65536), b""))
    answers = parse(received)
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[-1].headers["connection"] == "close"
