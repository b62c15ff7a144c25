"""Tokens of managed identities, as App Service and Azure ML hand them out: `IDENTITY_ENDPOINT`."""

from __future__ import annotations

import base64
import json
import time
from typing import Final

from starlette.responses import Response
from starlette.routing import BaseRoute

from tests.emulator.http import Call, CloudError, answer, route
from tests.emulator.world import World

LIFETIME: Final = 86_400


def routes(world: World) -> list[BaseRoute]:
    return [route("/msi/token", lambda call: _token(world, call))]


def _token(world: World, call: Call) -> Response:
    if call.headers.get("x-identity-header") != world.identity_header:
        raise CloudError(401, "InvalidRequest", "The x-identity-header is missing or wrong.")
    resource = call.query["resource"]
    expires = int(time.time()) + LIFETIME
    document = {"access_token": token(world, resource, expires), "expires_on": str(expires), "resource": resource}
    return answer({**document, "token_type": "Bearer", "client_id": world.principal})


def token(world: World, resource: str, expires: int) -> str:
    """A token for one audience; Azurite looks at its claims, nobody at its signature."""
    seen = int(time.time()) - 60
    claims: dict[str, object] = {
        "aud": resource,
        "iss": f"https://sts.windows.net/{world.tenant}/",
        "iat": seen,
        "nbf": seen,
        "exp": expires,
        "oid": world.principal,
        "tid": world.tenant,
        "sub": world.principal,
    }
    return f"{_encoded({'typ': 'JWT', 'alg': 'none'})}.{_encoded(claims)}.c2lnbmF0dXJl"


def _encoded(part: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
