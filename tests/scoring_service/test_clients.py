"""The clients that people use, each in its own way; tritonclient and mlflow have modules of their own."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from tests.scoring_service.contexts import ROW
from tests.scoring_service.serving import KEY, Running

BODY = json.dumps({"data": [ROW]})
HEADERS = {"Authorization": f"Bearer {KEY}"}


def curl(service: Running, path: str, *options: str) -> tuple[list[str], str]:
    """The status lines that curl saw, and the last body."""
    program = shutil.which("curl")
    assert program, "curl is not installed: run scripts/install-test-packages"
    command = [program, "-sS", "-i", "-H", f"Authorization: Bearer {KEY}", *options]
    done = subprocess.run([*command, f"http://127.0.0.1:{service.port}{path}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    statuses = [line.strip() for line in done.stdout.splitlines() if line.startswith("HTTP/")]
    return statuses, done.stdout.rpartition("\n")[2]


@pytest.mark.parametrize(
    ("options", "statuses"),
    [
        ((), ["HTTP/1.1 200 OK"]),
        (("--http1.0",), ["HTTP/1.1 200 OK"]),
        (("-H", "Transfer-Encoding: chunked"), ["HTTP/1.1 200 OK"]),
        (("-H", "Expect: 100-continue"), ["HTTP/1.1 100 Continue", "HTTP/1.1 200 OK"]),
        (
            ("-H", "Expect: 100-continue", "-H", "Transfer-Encoding: chunked"),
            ["HTTP/1.1 100 Continue", "HTTP/1.1 200 OK"],
        ),
    ],
)
def test_curl(service: Running, options: tuple[str, ...], statuses: list[str]) -> None:
    told, body = curl(service, "/score", "-d", BODY, *options)
    assert told == statuses
    assert len(json.loads(body)["result"]) == 1


def test_curl_does_not_send_a_body_that_is_refused(service: Running) -> None:
    told, body = curl(service, "/score", "-d", "x" * 30_000, "-H", "Expect: 100-continue")
    assert told == ["HTTP/1.1 413 Content Too Large"]
    assert json.loads(body)["status"] == 413


def test_httpx_keeps_its_connection_and_sends_in_chunks(service: Running) -> None:
    def parts() -> Iterator[bytes]:
        yield from (BODY[index : index + 7].encode() for index in range(0, len(BODY), 7))

    with httpx.Client(base_url=f"http://127.0.0.1:{service.port}", headers=HEADERS, trust_env=False) as client:
        answers = [client.post("/score", content=BODY) for _ in range(3)]
        answers.append(client.post("/score", content=parts()))
        assert client.head("/health/ready").status_code == 200
        assert client.post("/score", content=BODY, headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert len(service.hub.connections) == 1
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.text for answer in answers}) == 1
