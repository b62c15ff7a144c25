from __future__ import annotations

import numpy as np
import pytest

from scoring_service.messages import Request
from scoring_service.route import Route
from tests.scoring_service.contexts import COEFFICIENTS, INTERCEPT, NAMES, ROW
from tests.scoring_service.serving import KEY, Running, get, message, parse, records

EXPECTED = INTERCEPT + float(np.dot(ROW, COEFFICIENTS))


def test_scores_lists_and_objects(service: Running) -> None:
    named = dict(reversed(list(zip(NAMES, ROW, strict=True))))
    for data in ([ROW], [named], [ROW] * 3, [named] * 3):
        (answer,) = service.ask(message({"data": data}))
        assert answer.status == 200
        assert answer.json == {"result": pytest.approx([EXPECTED] * len(data), rel=1e-12)}


def test_the_clients_request_id_is_answered_and_logged(service: Running) -> None:
    (answer,) = service.ask(message({"data": [ROW, ROW]}, "X-Request-Id: mine-1"))
    assert answer.headers["x-request-id"] == "mine-1"
    (record,) = records(service.logs)
    assert record["inputs"] == [dict(zip(NAMES, ROW, strict=True))] * 2
    assert record["outputs"] == answer.json["result"]
    logged = [record[name] for name in ("request_id", "environment", "model", "version", "image", "key_id")]
    assert logged == ["mine-1", "local", "diabetes", 3, "d1", "default"]
    assert 0 < record["latency"] < 5


def test_generated_request_ids_differ_and_replace_unsafe_ones(service: Running) -> None:
    raw = message({"data": [ROW]}) + message({"data": [ROW]}, "X-Request-Id: two words") + message({"data": [ROW]})
    ids = [answer.headers["x-request-id"] for answer in service.ask(raw)]
    assert len({*ids, "two words"}) == 4


def test_refused_requests_are_not_logged(service: Running) -> None:
    service.ask(message({"data": []}) + message({"data": [ROW]}, key="wrong"))
    assert records(service.logs) == []


@pytest.mark.parametrize("key", [None, "wrong", KEY + "x", KEY[:-1]])
def test_without_a_valid_key_nothing_is_scored(service: Running, key: str | None) -> None:
    (answer,) = service.ask(message({"data": [ROW]}, key=key))
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "bearer"
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_validation_problem_lists_rows_and_fields(service: Running) -> None:
    (answer,) = service.ask(message({"data": [ROW, [*ROW[:-1], 5]]}))
    assert answer.status == 422
    assert answer.json == {
        "type": "about:blank",
        "title": "Unprocessable Content",
        "status": 422,
        "detail": "row 1, field 's6': 5.0 is more than the maximum 0.3",
        "errors": [{"row": 1, "field": "s6", "message": "5.0 is more than the maximum 0.3"}],
    }


def test_a_surrogate_in_a_name_is_refused_readably(service: Running) -> None:
    (answer,) = service.ask(message('{"data": [{"\\ud800": 1}]}'))
    assert answer.status == 422


def test_a_prediction_that_is_not_finite_is_refused(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    from scoring_service.linear_model import LinearModel, Weights

    monkeypatch.setattr(service.router.scorer, "_model", LinearModel(Weights((1e308,) * 10, 1e308)))
    high = [0.3] * 10
    for data, row in (([high] * 1, 0), ([[-0.3] * 5 + [0.3] * 5, high], 1)):
        (answer,) = service.ask(message({"data": data}))
        assert (answer.status, answer.json["errors"]) == (
            422,
            [{"row": row, "message": "the prediction is not finite"}],
        )


def test_a_log_that_fails_refuses_the_answer(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_records: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(service.router.scorer.recorder.log, "extend", full)
    (answer,) = service.ask(message({"data": [ROW]}))
    assert (answer.status, answer.json["detail"]) == (
        503,
        "the request cannot be logged: No space left on device",
    )


def test_health_follows_draining(service: Running) -> None:
    assert [answer.status for answer in service.ask(get("/health/live") + get("/health/ready"))] == [200, 200]
    service.router.draining = True
    assert [answer.status for answer in service.ask(get("/health/live") + get("/health/ready"))] == [200, 503]


def test_metadata_tells_what_is_served(service: Running) -> None:
    (answer,) = service.ask(get("/metadata"))
    told = answer.json
    assert [feature["name"] for feature in told.pop("features")] == list(NAMES)  # type: ignore[attr-defined]  # JSON
    assert told == {
        "name": "diabetes",
        "model_version": 3,
        "image_digest": "d1",
        "environment": "local",
        "target": "Y",
        "form": "weights",
    }


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metadata", "/openapi.json"])
def test_head_is_get_without_body(service: Running, path: str) -> None:
    (whole,) = service.ask(get(path))
    with service.connect() as client:
        client.sendall(get(path, "Connection: close", method="HEAD"))
        received = b"".join(iter(lambda: client.recv(65536), b""))
    (bare,) = parse(received, bare=True)
    assert received.endswith(b"\r\n\r\n")
    assert (bare.status, bare.headers["content-length"]) == (200, str(len(whole.body)))


@pytest.mark.parametrize(
    ("raw", "status", "named"),
    [
        (get("/"), 404, "there is no /;"),
        (get("/score/"), 404, "there is no /score/"),
        (get("*", method="OPTIONS"), 404, r"there is no \*"),
        (get("/score"), 405, "use POST"),
        (message({}, path="/metadata"), 405, "use GET, HEAD"),
        (get("/metadata", method="DELETE"), 405, "DELETE is not allowed"),
    ],
)
def test_unknown_paths_and_methods(service: Running, raw: bytes, status: int, named: str) -> None:
    (answer,) = service.ask(raw)
    assert answer.status == status
    assert named.replace("\\", "") in str(answer.json["detail"])
    if status == 405:
        assert answer.headers["allow"] in ("post", "get, head")


@pytest.mark.parametrize("target", ["/metadata?x=1", "http://x/metadata", "http://x/metadata?y"])
def test_other_forms_of_a_target_find_the_path(service: Running, target: str) -> None:
    assert [answer.status for answer in service.ask(get(target))] == [200]


def test_a_fault_of_ours_is_a_500_and_is_printed(service: Running, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_request: Request, _key: str) -> None:
        raise RuntimeError("boom")

    service.router.routes[b"/metadata"] = Route(b"GET", fail)  # type: ignore[arg-type]  # it answers nothing, it raises
    (answer,) = service.ask(get("/metadata"))
    assert answer.status == 500
    assert "boom" not in answer.body.decode()
    assert "boom" in capsys.readouterr().err
