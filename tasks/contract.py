"""The API tests of a release: what every endpoint must answer before it may stay."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final

import httpx
import numpy as np

from platforms.endpoint_keys import api_key
from platforms.errors import PlatformError
from platforms.selection import current
from platforms.values import EndpointStatus, ModelVersion
from tasks.run import run_id, run_logger
from training import outputs

TEST_ID: Final = "api-test-"
"""How the ids of the tests' requests begin, so that the log tells them from those of clients."""
TOLERANCE: Final[Mapping[str, float]] = {"relative": 1e-9, "absolute": 0.0}
"""How far a served prediction may be from the training job's, if the job's result does not say it."""
BLOCK: Final = 500
"""Most rows in one parity request; fewer are sent where the service takes no more."""


class ContractError(PlatformError):
    """An endpoint answers something else than the release expects; the message lists every difference."""


def check_endpoint(model: ModelVersion, status: EndpointStatus) -> None:
    """Test health, metadata, schema, error answers and parity; raises `ContractError` with all differences."""
    hooks = {"request": [_identify(f"{TEST_ID}{run_id()}-{status.environment}")]}
    with httpx.Client(base_url=status.url, headers=_authorization(status), timeout=30.0, event_hooks=hooks) as client:
        differences = list(_differences(client, model, status))
    if differences:
        raise ContractError(
            f"{status.environment} endpoint {status.url} of {model.recipe} {model.version} failed its tests: "
            + "; ".join(differences)
        )
    run_logger().info("%s endpoint %s passed its API tests", status.environment, status.url)


def _identify(prefix: str) -> Callable[[httpx.Request], None]:
    """Give each request an id of its own."""
    numbers = count(1)

    def identify(request: httpx.Request) -> None:
        request.headers["x-request-id"] = f"{prefix}-{next(numbers)}"

    return identify


def _authorization(status: EndpointStatus) -> dict[str, str]:
    key = api_key(current().secrets, status.recipe, status.environment)
    return {"authorization": f"Bearer {key}"}


def _differences(client: httpx.Client, model: ModelVersion, status: EndpointStatus) -> Iterator[str]:
    yield from _health(client)
    yield from _metadata(client, model, status)
    yield from _schema(client, model)
    yield from _errors(client)
    yield from _parity(client, model)


def _health(client: httpx.Client) -> Iterator[str]:
    for path in ("/health/live", "/health/ready"):
        answer = client.get(path)
        if answer.status_code != httpx.codes.OK:
            yield f"GET {path} answered {answer.status_code}"


def _metadata(client: httpx.Client, model: ModelVersion, status: EndpointStatus) -> Iterator[str]:
    served = client.get("/metadata").json()
    expected = {"name": model.recipe, "model_version": str(model.version), "image_digest": status.image.digest}
    for field, value in expected.items():
        if str(served.get(field)) != value:
            yield f"/metadata says {field} is {served.get(field)!r}, expected {value!r}"


def _schema(client: httpx.Client, model: ModelVersion) -> Iterator[str]:
    served = [feature["name"] for feature in client.get("/metadata").json().get("features", [])]
    expected = _result(model)["features"]
    if served != expected:
        yield f"features are {served}, expected {expected}"
    if "/score" not in client.get("/openapi.json").json().get("paths", {}):
        yield "/openapi.json does not describe /score"


def _errors(client: httpx.Client) -> Iterator[str]:
    cases = {"empty data": {"data": []}, "a row of wrong width": {"data": [[]]}, "no data": {}}
    for name, body in cases.items():
        answer = client.post("/score", json=body)
        if not answer.is_client_error:
            yield f"{name} answered {answer.status_code}, expected 4xx"
    unknown = client.post("/score", json={"data": []}, headers={"authorization": "Bearer wrong"})
    if unknown.status_code != httpx.codes.UNAUTHORIZED:
        yield f"a wrong key answered {unknown.status_code}, expected 401"


def _parity(client: httpx.Client, model: ModelVersion) -> Iterator[str]:
    """Every holdout row again, over HTTP, against what the training job predicted for it."""
    import pandas as pd

    from training import matrix

    folder = current().registry.outputs(model.recipe, model.version)
    holdout, result = pd.read_parquet(folder / outputs.PREDICTIONS), _result(model)
    rows = matrix.json_rows(holdout[result["features"]])
    expected = holdout[outputs.PREDICTION].to_numpy(np.float64)
    for asked, answer in _answers(client, rows):
        if answer.status_code != httpx.codes.OK:
            yield f"holdout rows from {asked.start} answered {answer.status_code}: {answer.text[:500]}"
            return
        served = np.asarray(answer.json()["result"])
        yield from _unequal(served, expected[asked], asked.start, result.get("tolerance", TOLERANCE))


def _answers(client: httpx.Client, rows: Sequence[object]) -> Iterator[tuple[slice, httpx.Response]]:
    """The answers to all rows, in requests as large as the service takes: its limits say nothing about the model."""
    start, size = 0, min(BLOCK, len(rows))
    while start < len(rows):
        asked = slice(start, start + size)
        answer = client.post("/score", json={"data": rows[asked]})
        if answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE and size > 1:
            size //= 2
            continue
        yield asked, answer
        start += size


def _unequal(served: np.ndarray, expected: np.ndarray, start: int, tolerance: Mapping[str, float]) -> Iterator[str]:
    if served.shape != expected.shape:
        yield f"{len(served)} predictions for {len(expected)} rows"
        return
    wrong = np.flatnonzero(~np.isclose(served, expected, rtol=tolerance["relative"], atol=tolerance["absolute"]))
    if wrong.size:
        first = int(wrong[0])
        yield (
            f"{wrong.size} predictions differ from the training job's, first row {start + first}: "
            f"served {served[first]!r}, trained {expected[first]!r}"
        )


def _result(model: ModelVersion) -> dict[str, Any]:
    folder = current().registry.outputs(model.recipe, model.version)
    result: dict[str, Any] = json.loads((folder / outputs.RESULT).read_text())
    return result
