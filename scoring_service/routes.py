"""From a request to its answer: path, method, key, handler."""

from __future__ import annotations

import sys
import traceback
from urllib.parse import unquote_to_bytes

import httptools

from scoring_service import VERSION
from scoring_service.context import Context
from scoring_service.inference import InferenceProtocol
from scoring_service.invocations import Invocations
from scoring_service.keys import Keys
from scoring_service.messages import Answer, Request, Response
from scoring_service.openapi import document
from scoring_service.problem import ProblemError
from scoring_service.route import GET, Route, fixed, fixed_text
from scoring_service.scoring import Scorer
from scoring_service.settings import Settings


class Router:
    """Answers requests; every refusal is a problem, and nothing is raised."""

    def __init__(self, context: Context, settings: Settings, keys: Keys, scorer: Scorer) -> None:
        self.draining = False
        self.scorer = scorer
        self._keys = keys
        invocations = Invocations(context.schema, settings.max_rows, scorer)
        self.routes = {
            b"/score": Route(b"POST", scorer.score, guarded=True),
            b"/invocations": Route(b"POST", invocations.invoke, guarded=True),
            b"/ping": Route(GET, self._ready),
            b"/version": Route(GET, fixed_text(VERSION.encode())),
            b"/health/live": Route(GET, fixed({"status": "live"})),
            b"/health/ready": Route(GET, self._ready),
            b"/metadata": Route(GET, fixed(_metadata(context, settings))),
            b"/openapi.json": Route(GET, fixed(document(context.schema, settings))),
            **InferenceProtocol(context, settings, scorer, self._ready).routes(),
        }

    def answer(self, request: Request) -> Answer:
        """The answer to a complete request, now or later."""
        try:
            route, key_id = self._admit(request)
            return route.handler(request, key_id)
        except ProblemError as problem:
            return problem.response(_is_v2(request))
        except Exception:
            traceback.print_exc(file=sys.stderr)
            return ProblemError(500, "the service failed; its log says why").response(_is_v2(request))

    def refusal(self, request: Request) -> Response | None:
        """The answer to a request whose body is not worth waiting for; None if it is."""
        try:
            self._admit(request)
        except ProblemError as problem:
            return problem.response(_is_v2(request))
        return None

    def _admit(self, request: Request) -> tuple[Route, str]:
        route = self.routes.get(request.path) or self._find(request.path)
        if request.method not in route.methods:
            method = request.method.decode()
            raise ProblemError(
                405,
                f"{method} is not allowed here, use {route.allow.decode()}",
                headers=b"allow: %s\r\n" % route.allow,
            )
        if not route.guarded:
            return route, ""
        key_id = self._keys.holder(request.headers.get(b"authorization"))
        if key_id is None:
            raise ProblemError(
                401, "send a valid key as `Authorization: Bearer KEY`", headers=b"www-authenticate: Bearer\r\n"
            )
        return route, key_id

    def _find(self, target: bytes) -> Route:
        try:
            path = unquote_to_bytes(httptools.parse_url(target).path or b"/")
        except httptools.HttpParserInvalidURLError:
            path = target
        if path not in self.routes:
            known = ", ".join(sorted(route.decode() for route in self.routes))
            raise ProblemError(404, f"there is no {path.decode('latin-1')}; there are {known}")
        return self.routes[path]

    def _ready(self, _request: Request, _key_id: str) -> Response:
        if self.draining:
            return Response(503, b'{"status":"draining"}')
        return Response(200, b'{"status":"ready"}')


def _is_v2(request: Request) -> bool:
    return request.path.startswith(b"/v2")


def _metadata(context: Context, settings: Settings) -> dict[str, object]:
    return {
        "name": context.schema.recipe,
        "model_version": settings.model_version,
        "image_digest": settings.image_digest,
        "environment": settings.environment,
        "target": context.schema.target,
        "features": context.schema.features,
        **context.model.metadata(),
    }
