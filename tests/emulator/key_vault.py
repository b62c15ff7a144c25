"""Key Vault: secrets with versions. The first request is answered with a challenge, as the service does."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from tests.emulator.http import Call, CloudError, answer, route
from tests.emulator.world import World


@dataclass(frozen=True)
class Secret:
    """One version of a secret."""

    name: str
    version: str
    value: str
    created: int
    given: dict[str, object]


class Vault:
    """Every secret's versions, oldest first."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.secrets: dict[str, list[Secret]] = {}
        self.deleted: dict[str, list[Secret]] = {}
        self.lock = threading.Lock()

    def newest(self, name: str, version: str = "") -> Secret:
        found = [secret for secret in self.secrets.get(name, []) if version in ("", secret.version)]
        if not found:
            message = f"A secret with (name/id) {name} was not found in this key vault."
            raise CloudError(404, "SecretNotFound", message)
        return found[-1]


def routes(world: World) -> list[BaseRoute]:
    vault = world.part(Vault)
    return [
        route("/secrets", lambda call: _list(vault, call)),
        route("/secrets/{name}", lambda call: _secret(vault, call), ("GET", "PUT", "DELETE")),
        route("/secrets/{name}/versions", lambda call: _versions(vault, call)),
        route("/secrets/{name}/{version}", lambda call: _secret(vault, call)),
        route("/deletedsecrets/{name}", lambda call: _deleted(vault, call), ("GET", "DELETE")),
    ]


def _secret(vault: Vault, call: Call) -> Response:
    _challenge(vault, call)
    name = call.parameters["name"].lower()
    with vault.lock:
        match call.method:
            case "PUT":
                return answer(_bundle(vault, _set(vault, name, call.body)))
            case "DELETE":
                secret = vault.newest(name)
                vault.deleted[name] = vault.secrets.pop(name)
                return answer(_gone(vault, secret))
        return answer(_bundle(vault, vault.newest(name, call.parameters.get("version", ""))))


def _set(vault: Vault, name: str, body: dict[str, Any]) -> Secret:
    if name in vault.deleted:
        message = f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused."
        raise CloudError(409, "Conflict", message)
    given = {"tags": body.get("tags", {}), **({"contentType": body["contentType"]} if "contentType" in body else {})}
    secret = Secret(name, uuid.uuid4().hex, body["value"], int(time.time()), given)
    vault.secrets.setdefault(name, []).append(secret)
    return secret


def _deleted(vault: Vault, call: Call) -> Response:
    _challenge(vault, call)
    name = call.parameters["name"].lower()
    with vault.lock:
        if name not in vault.deleted:
            raise CloudError(404, "SecretNotFound", f"Deleted Secret not found: {name}")
        if call.method == "DELETE":
            del vault.deleted[name]
            return Response(status_code=204)
        return answer(_gone(vault, vault.deleted[name][-1]))


def _list(vault: Vault, call: Call) -> Response:
    _challenge(vault, call)
    return answer({"value": [_properties(vault, found[-1]) for found in vault.secrets.values()], "nextLink": None})


def _versions(vault: Vault, call: Call) -> Response:
    _challenge(vault, call)
    found = vault.secrets.get(call.parameters["name"].lower(), [])
    return answer({"value": [_properties(vault, secret, secret.version) for secret in found], "nextLink": None})


def _challenge(vault: Vault, call: Call) -> None:
    """Without a token: where to get one. The SDK wants the resource to be a parent domain of the vault's."""
    if call.headers.get("authorization", "").startswith("Bearer "):
        return
    authority, resource = f"{vault.world.base_url}/{vault.world.tenant}", _resource(vault.world)
    challenge = {"WWW-Authenticate": f'Bearer authorization="{authority}", resource="{resource}"'}
    message = "AKV10000: Request is missing a Bearer or PoP token."
    raise CloudError(401, "Unauthorized", message, challenge)


def _resource(world: World) -> str:
    """`https://127.0.0.1:1` is a vault of the domain `https://0.0.1:1`, as far as the SDK compares texts."""
    return world.base_url.replace("127.0.0.1", "0.0.1")


def _properties(vault: Vault, secret: Secret, version: str = "") -> dict[str, object]:
    times = {"created": secret.created, "updated": secret.created}
    address = f"{vault.world.base_url}/secrets/{secret.name}"
    return {
        "id": f"{address}/{version}" if version else address,
        "attributes": {"enabled": True, **times, "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90},
        **secret.given,
    }


def _bundle(vault: Vault, secret: Secret) -> dict[str, object]:
    return {"value": secret.value, **_properties(vault, secret, secret.version)}


def _gone(vault: Vault, secret: Secret) -> dict[str, object]:
    deleted = int(time.time())
    return {
        "recoveryId": f"{vault.world.base_url}/deletedsecrets/{secret.name}",
        "deletedDate": deleted,
        "scheduledPurgeDate": deleted + 90 * 86_400,
        **_properties(vault, secret, secret.version),
    }
