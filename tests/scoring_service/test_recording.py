from __future__ import annotations

import json
import os
from pathlib import Path
from zlib import crc32

import pytest

from tests.scoring_service.contexts import NAMES, ROW
from tests.scoring_service.serving import Answer, Running, message, records, running
from tests.scoring_service.turns import in_turns, told

SCORE = message({"data": [ROW]})


def fail(*_arguments: object) -> None:
    raise OSError(28, "No space left on device")


def scores(service: Running, count: int) -> list[Answer]:
    raw = b"".join(message({"data": [ROW]}, f"X-Request-Id: id-{index}") for index in range(count))
    return service.ask(raw)


def test_a_full_disk_refuses_by_default_and_recovers(
    service: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", fail)
        answers = scores(service, 3)
    assert [answer.status for answer in answers] == [503] * 3
    assert answers[0].headers["retry-after"] == "5"
    assert answers[0].json["detail"] == "the request cannot be logged: No space left on device"
    (alarm,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (alarm["level"], alarm["log_failure"]) == ("error", "refuse")
    assert service.recorder.failures == 3
    assert [answer.status for answer in service.ask(SCORE)] == [200]
    assert len(records(service.logs)) == 1


def test_an_answer_that_became_a_refusal_is_observed_as_one(
    context: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(context, tmp_path, access_log=True) as service:
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", fail)
            scores(service, 2)
        scores(service, 1)
        page = service.page()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["status"] for line in lines if line["message"] == "answered"] == [503, 503, 200]
    assert 'scoring_latency_seconds_count{model="diabetes",version="3",route="score"} 1\n' in page
    assert 'scoring_errors_total{model="diabetes",version="3",kind="log"} 2\n' in page


def test_degrade_serves_and_counts(
    context: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(context, tmp_path, log_failure="degrade") as service:
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", fail)
            assert [answer.status for answer in scores(service, 3)] == [200] * 3
        assert service.recorder.lost == 3
        assert len(capsys.readouterr().err.splitlines()) == 1
        scores(service, 2)
    assert len(records(tmp_path)) == 2


def test_degrade_starts_without_a_log_folder_and_refuse_does_not(context: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with running(context, tmp_path / "file" / "logs", log_failure="degrade") as service:
        assert [answer.status for answer in service.ask(SCORE)] == [200]
        assert service.recorder.lost == 1


def test_a_share_of_the_requests_is_logged_chosen_by_id(context: Path, tmp_path: Path) -> None:
    with running(context, tmp_path, log_sample=0.25) as service:
        assert len(scores(service, 400)) == 400
    logged = {record["request_id"] for record in records(tmp_path)}
    assert logged == {f"id-{index}" for index in range(400) if crc32(b"id-%d" % index) < 2**30}
    assert 60 < len(logged) < 140


def test_redacted_features_are_left_out(context: Path, tmp_path: Path) -> None:
    with running(context, tmp_path, log_redact="sex, age") as service:
        service.ask(SCORE)
    (record,) = records(tmp_path)
    assert record["inputs"] == [dict(list(zip(NAMES, ROW, strict=True))[2:])]


def test_features_of_another_recipe_are_warned_of_and_keep_nobody_from_starting(
    context: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(context, tmp_path, log_redact="sex,name") as service:
        service.ask(SCORE)
    assert "sex" not in records(tmp_path)[0]["inputs"][0]
    (warning,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert warning["level"] == "warning"
    assert "SCORING_LOG_REDACT names ['name']" in warning["message"]


def test_without_a_log_folder_nothing_is_logged(context: Path, tmp_path: Path) -> None:
    with running(context, tmp_path, log_dir=None) as service:
        assert [answer.status for answer in service.ask(SCORE)] == [200]
    assert list(tmp_path.iterdir()) == []


def test_answers_wait_for_the_disk_in_groups(context: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs: list[int] = []
    sync = os.fdatasync

    def count(descriptor: int) -> None:
        syncs.append(descriptor)
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", count)
    with running(context, tmp_path, log_sync=True, log_segment_bytes=50_000, max_wait_seconds=60.0) as service:
        assert [answer.headers["x-request-id"] for answer in scores(service, 500)] == [f"id-{i}" for i in range(500)]
        assert service.hub.load.waiting == 0
    assert len(records(tmp_path)) == 500
    assert 0 < len(syncs) < 400
    assert len(list(tmp_path.iterdir())) > 1


@pytest.mark.parametrize(("policy", "status"), [("refuse", 503), ("degrade", 200)])
def test_a_failed_sync_is_a_failed_record(
    context: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str, status: int
) -> None:
    with running(context, tmp_path, log_sync=True, log_failure=policy) as service:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fdatasync", fail)
            assert [answer.status for answer in scores(service, 20)] == [status] * 20
        assert service.recorder.failures == 20
        assert [answer.status for answer in service.ask(SCORE)] == [200]


def test_a_request_that_is_not_sampled_does_not_wait_for_the_disk(
    context: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fdatasync", fail)
    with running(context, tmp_path, log_sync=True, log_sample=0.0) as service:
        assert [answer.status for answer in scores(service, 3)] == [200] * 3
        assert service.recorder.failures == 0
    with running(context, tmp_path, log_sync=True, log_sample=0.25) as service:
        logged = [crc32(b"id-%d" % index) < 2**30 for index in range(20)]
        assert [answer.status == 503 for answer in scores(service, 20)] == logged
        assert service.recorder.failures == sum(logged)


@pytest.fixture
def known(service: Running) -> Running:
    """A service that knows the head of `SCORE`."""
    service.ask(SCORE)
    return service


def test_a_full_disk_refuses_all_that_is_answered_together(known: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", fail)
        assert [status for status, _ in told(in_turns(known, [[SCORE]] * 3))] == [503] * 3
    assert known.recorder.failures == 3
    assert [status for status, _ in told(in_turns(known, [[SCORE]] * 3))] == [200] * 3
    assert len(records(known.logs)) == 1 + 3


def test_what_may_be_logged_is_refused_and_not_logged_again(known: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines are written, but the share does not tell whether the file is still there."""

    def stale(_descriptor: int) -> None:
        raise OSError(116, "Stale file handle")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fstat", stale)
        answers = in_turns(known, [[SCORE]] * 3)
    assert [answer.json["detail"] for (answer,) in answers] == ["the request cannot be logged: Stale file handle"] * 3
    assert (known.recorder.refused, known.recorder.failures, known.recorder.lost) == (3, 3, 0)
    assert len(records(known.logs)) == 1 + 3
    assert 'route="score"} 1\n' in known.page()


def test_a_full_disk_refuses_only_the_sample(context: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(context, tmp_path, log_sample=0.5) as service:
        service.ask(SCORE)
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", fail)
            answers = in_turns(service, [[SCORE]] * 60, sampled=True)
        statuses = [status for status, _ in told(answers)]
        good = [answer.headers["x-request-id"] for (answer,) in answers if answer.status == 200]
        assert 0 < len(good) < 60
        assert [one for one in good if crc32(one.encode()) < 2**31] == []
        assert service.recorder.refused == statuses.count(503) == 60 - len(good)
        assert f'route="score"}} {1 + len(good)}\n' in service.page()


def test_degrade_counts_each_of_what_is_answered_together(
    context: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(context, tmp_path, log_failure="degrade") as service:
        service.ask(SCORE)
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", fail)
            answers = in_turns(service, [[SCORE]] * 3, sampled=True)
        assert [status for status, _ in told(answers)] == [200] * 3
        assert (service.recorder.lost, service.recorder.failures, service.recorder.refused) == (3, 3, 0)
    assert len(records(tmp_path)) == 1


def test_what_is_answered_together_is_one_write(known: Running, written: list[int]) -> None:
    written.clear()
    in_turns(known, [[SCORE]] * 20)
    assert written == [20]


def test_a_share_of_what_is_answered_together_is_logged_chosen_by_id(context: Path, tmp_path: Path) -> None:
    with running(context, tmp_path, log_sample=0.5) as service:
        service.ask(SCORE)
        answers = in_turns(service, [[SCORE]] * 60, sampled=True)
    ids = [answer.headers["x-request-id"] for (answer,) in answers]
    logged = [record["request_id"] for record in records(tmp_path)]
    assert [one for one in logged if one in ids] == [one for one in ids if crc32(one.encode()) < 2**31]
