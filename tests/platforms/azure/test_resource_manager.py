"""The emulator against Azure: codes, headers and field names as in Microsoft's recordings and specification.

Recordings: azure-cli `test_keyvault_secret` (challenge, secret) and `test_container_create`
(operations); the error codes and the long-running sequence are those of the Resource Manager API guidelines.
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from platforms.azure.credentials import STORAGE_SCOPE, credential
from platforms.azure.settings import AzureSettings
from tests.emulator.http import CloudError
from tests.emulator.resources import Resource, ResourceType
from tests.emulator.world import World

VERSION = {"api-version": "2024-01-01"}
FAMILY = "Microsoft.Test/slowThings"


@pytest.fixture(scope="module")
def arm(world: World) -> Iterator[httpx.Client]:
    """A client that is signed in."""
    headers = {"authorization": "Bearer x"}
    with httpx.Client(
        base_url=world.base_url, verify=world.certificates.trust(), headers=headers, params=VERSION
    ) as made:
        yield made


@pytest.fixture
def thing(world: World) -> str:
    """The id of a resource that does not exist yet."""
    return f"{world.group_id}/providers/Microsoft.Test/things/{uuid.uuid4()}"


def error(response: httpx.Response) -> tuple[int, str]:
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message"}
    return response.status_code, body["error"]["code"]


def test_a_resource_lives(arm: httpx.Client, thing: str) -> None:
    made = arm.put(thing, json={"location": "westeurope", "properties": {"a": {"b": 1, "c": 2}}})
    assert made.status_code == 201
    assert set(made.json()) == {"id", "name", "type", "location", "systemData", "properties"}
    assert (made.json()["type"], made.json()["properties"]["provisioningState"]) == (
        "Microsoft.Test/things",
        "Succeeded",
    )
    assert arm.get(thing.upper().replace("/SUBSCRIPTIONS", "/subscriptions")).json() == made.json()
    patched = arm.patch(thing, json={"tags": {"x": "y"}, "properties": {"a": {"b": 3, "c": None}}})
    assert (patched.status_code, patched.json()["properties"]["a"]) == (200, {"b": 3})
    assert arm.put(thing, json={"properties": {}}).status_code == 200
    assert "tags" not in arm.get(thing).json()
    assert [found["id"] for found in arm.get(thing.rpartition("/")[0]).json()["value"]].count(thing) == 1
    assert arm.delete(thing).status_code == 200
    assert arm.delete(thing).status_code == 204
    assert error(arm.get(thing)) == (404, "ResourceNotFound")


def test_what_is_wrong_is_told_as_azure_does(arm: httpx.Client, world: World, thing: str) -> None:
    other = thing.replace(world.group_id, f"{world.group_id}-none")
    assert error(arm.get(other)) == (404, "ResourceGroupNotFound")
    assert error(arm.put(other, json={})) == (404, "ResourceGroupNotFound")
    assert error(arm.put(f"{thing}/parts/x", json={})) == (404, "ParentResourceNotFound")
    assert error(arm.get(thing, params={"api-version": []})) == (400, "MissingApiVersionParameter")
    assert error(arm.get(thing, headers={"authorization": ""})) == (401, "AuthenticationFailed")
    assert error(arm.put(thing, content=b"{")) == (400, "InvalidRequestContent")
    assert error(arm.post(f"{thing}/unknown")) == (404, "InvalidResourceType")


def test_writes_may_name_the_state_that_they_expect(arm: httpx.Client, thing: str) -> None:
    new = {"if-none-match": "*"}
    etag = arm.put(thing, json={}, headers=new).headers["etag"]
    assert error(arm.put(thing, json={}, headers=new)) == (412, "PreconditionFailed")
    expected = {"if-match": etag}
    assert arm.put(thing, json={"properties": {"a": 1}}, headers=expected).status_code == 200
    assert error(arm.put(thing, json={}, headers=expected)) == (412, "PreconditionFailed")
    assert error(arm.delete(thing, headers=expected)) == (412, "PreconditionFailed")
    etag = arm.get(thing).headers["etag"]
    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(lambda _: arm.put(thing, json={}, headers={"if-match": etag}).status_code, range(8)))
    assert sorted(codes) == [200, *[412] * 7]


def test_an_operation_goes_on_after_the_answer(arm: httpx.Client, world: World) -> None:
    failing = f"{world.group_id}/providers/{FAMILY}/failing"

    def work(document: Resource) -> None:
        if document["name"] == "failing":
            raise CloudError(400, "QuotaExceeded", "There is no more of it.")

    world.resources.register(ResourceType(FAMILY, put=work, long_running=True))
    with world.faults.slow_operations(0.3):
        made = arm.put(failing, json={"properties": {}})
        assert (made.status_code, made.json()["properties"]["provisioningState"]) == (201, "Creating")
        status = made.headers["azure-asyncoperation"]
        first = arm.get(status).json()
        assert set(first) == {"id", "name", "status", "startTime"}
        assert first["status"] == "InProgress"
        assert error(arm.put(failing, json={})) == (409, "AnotherOperationInProgress")
        last = ended(arm, status)
        assert (last["status"], last["error"]["code"]) == ("Failed", "QuotaExceeded")
        assert arm.get(failing).json()["properties"]["provisioningState"] == "Failed"
        gone = arm.delete(failing)
        assert gone.status_code == 202
        assert ended(arm, gone.headers["azure-asyncoperation"])["status"] == "Succeeded"
        assert error(arm.get(failing)) == (404, "ResourceNotFound")


def ended(arm: httpx.Client, status: str) -> Resource:
    """The status document of an operation that is over."""
    while (found := arm.get(status).json())["status"] == "InProgress":
        time.sleep(0.02)
    assert {"id", "name", "status", "startTime", "endTime"} <= set(found)
    return dict(found)


def test_a_group_takes_all_that_is_in_it_away(arm: httpx.Client, world: World) -> None:
    group = f"/subscriptions/{world.subscription}/resourceGroups/{uuid.uuid4()}"
    inside = f"{group}/providers/Microsoft.Test/things/x"
    assert arm.put(group, json={"location": "westeurope"}).status_code == 201
    assert arm.put(inside, json={}).status_code == 201
    assert arm.head(group).status_code == 204
    gone = arm.delete(group)
    assert gone.status_code == 202
    ended(arm, gone.headers["azure-asyncoperation"])
    assert arm.head(group).status_code == 404
    arm.put(group, json={"location": "westeurope"})
    assert error(arm.get(inside)) == (404, "ResourceNotFound")
    arm.delete(group)


def test_a_managed_identity_gets_a_token_for_what_it_asks(azure: AzureSettings, world: World) -> None:
    token = credential(azure).get_token(STORAGE_SCOPE)
    claims = json.loads(base64.urlsafe_b64decode(token.token.split(".")[1] + "=="))
    assert claims["aud"] == "https://storage.azure.com"
    assert token.expires_on > time.time() + 3600
    assert abs(claims["exp"] - token.expires_on) < 60
    answer = httpx.get(f"{world.base_url}/msi/token", params={"resource": "x"}, verify=world.certificates.trust())
    assert answer.status_code == 401


def test_a_vault_asks_who_is_there(arm: httpx.Client, world: World) -> None:
    nobody = arm.get("/secrets/x", headers={"authorization": ""})
    assert error(nobody) == (401, "Unauthorized")
    assert nobody.json()["error"]["message"].startswith("AKV10000")
    assert nobody.headers["www-authenticate"].startswith('Bearer authorization="https://')
    assert ', resource="https://' in nobody.headers["www-authenticate"]
    made = arm.put("/secrets/shape", json={"value": "ABC123", "tags": {"a": "b"}}).json()
    assert set(made) >= {"value", "id", "attributes", "tags"}
    assert set(made["attributes"]) == {"enabled", "created", "updated", "recoveryLevel", "recoverableDays"}
    assert made["tags"] == {"a": "b"}
    assert made["id"].startswith(f"{world.base_url}/secrets/shape/")
    assert all("value" not in found for found in arm.get("/secrets").json()["value"])
    assert len(arm.get("/secrets/shape/versions").json()["value"]) == 1
    assert arm.delete("/secrets/shape").json()["recoveryId"].endswith("/deletedsecrets/shape")
    assert arm.get("/deletedsecrets/shape").status_code == 200
    assert arm.delete("/deletedsecrets/shape").status_code == 204
    assert error(arm.get("/deletedsecrets/shape")) == (404, "SecretNotFound")
