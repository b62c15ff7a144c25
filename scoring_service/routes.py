"""From a request to its answer: path, method, key, handler."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Final, cast
from urllib.parse import unquote_to_bytes

import httptools

from scoring_service import VERSION
from scoring_service.context import Context
from scoring_service.exposition import Exposition
from scoring_service.heads import Heads, Repeated
from scoring_service.inference import InferenceProtocol
from scoring_service.invocations import Invocations
from scoring_service.keys import Keys
from scoring_service.load import Load
from scoring_service.messages import Answer, Request, Response
from scoring_service.observer import Observer
from scoring_service.openapi import document
from scoring_service.problem import ProblemError
from scoring_service.route import GET, Admitted, Route, fixed, fixed_text
from scoring_service.scoring import Scorer
from scoring_service.settings import Settings
from scoring_service.tracing import Spans

FAILED: Final = "the service failed; its log says why"
DOCS_HEADERS: Final = (
    b"content-security-policy: default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; "
    b"style-src 'unsafe-inline'\r\n"
)


class Router:
    """Answers requests; every refusal is a problem, and nothing is raised."""

    def __init__(
        self, context: Context, settings: Settings, keys: Keys, scorer: Scorer, spans: Spans | None = None
    ) -> None:
        self.draining = False
        self._keys = keys
        self.heads = Heads()
        self.load = Load(settings)
        self.scorer = scorer
        scorer.refuse = self._refuse_later
        self.observer = Observer(settings, spans)
        self.routes = self._table(context, settings)

    def _table(self, context: Context, settings: Settings) -> dict[bytes, Route]:
        schema, scorer, metrics = context.schema, self.scorer, self.observer.metrics
        invocations = Invocations(schema, settings.max_rows, scorer)
        exposition = Exposition(schema.recipe, settings, metrics, self.load, scorer.recorder)
        inference = InferenceProtocol(context, settings, scorer, self._ready, metrics.histogram("v2"))
        # Spans and lines are made request by request, and answers that come later one by one.
        together = None if scorer.later or self.observer.detailed else scorer.score_all
        docs = Path(__file__).with_name("docs.html").read_bytes()
        return {
            b"/score": Route(b"POST", scorer.score, metrics.histogram("score"), together),
            b"/invocations": Route(b"POST", invocations.invoke, metrics.histogram("invocations")),
            b"/ping": Route(GET, self._ready),
            b"/version": Route(GET, fixed_text(VERSION.encode())),
            b"/health/live": Route(GET, fixed({"status": "live"})),
            b"/health/ready": Route(GET, self._ready),
            b"/metadata": Route(GET, fixed(_metadata(context, settings))),
            b"/metrics": Route(GET, exposition.answer),
            b"/openapi.json": Route(GET, fixed(document(schema, settings))),
            b"/docs": Route(GET, fixed_text(docs, b"text/html; charset=utf-8", DOCS_HEADERS)),
            **inference.routes(),
        }

    def answer(self, request: Request, admitted: Admitted | None = None) -> Answer:
        """The answer to a complete request, now or later; `admitted` if `admit` said so of an equal head."""
        try:
            admitted = admitted or self.admit(request)
            route, key_id = admitted.route, admitted.key_id
            if route.latency is None:
                return route.handler(request, key_id)
            self.load.admit(perf_counter())
            answer = route.handler(request, key_id)
        except ProblemError as problem:
            return self._refused(request, problem)
        except Exception:
            self.observer.failed(request)
            return self._refused(request, ProblemError(500, FAILED))
        self.observer.answered(request, answer, route.latency)
        return answer

    def answer_all(self, asked: Sequence[Repeated], started: float, date: bytes) -> Sequence[bytes] | None:
        """The answers to requests of a route that answers many `together`, recorded and rendered.

        None for one, which is no faster so, and if anything is wrong; then nothing was recorded, counted or observed.
        What comes in one turn had arrived when the first of it was read, so that is when they `started`
        (`perf_counter`, s).
        """
        _, head, _ = asked[0]
        route = head.route
        if len(asked) == 1 or route.together is None or route.latency is None:
            return None
        try:
            self.load.check(perf_counter(), len(asked))
            answers, good = route.together(asked, started, date)
        except Exception:
            return None
        self.load.count(len(asked))
        route.latency.observe(perf_counter() - started, good)
        return answers

    def answer_each(self, asked: Sequence[Repeated], started: float) -> Sequence[Response]:
        """The answers to the same one by one, to be flushed."""
        # No answer comes later where many are answered together.
        return [cast("Response", self.answer(head.request(body, started), head)) for _, head, body in asked]

    def exchange(self, keys: Keys) -> None:
        """Admit by these keys from now on, whoever was admitted before."""
        self._keys = keys
        self.heads.forget()

    def flush(self) -> None:
        """Write the records of what was answered; a refusal takes the place of an answer without one."""
        self.scorer.recorder.flush()
        self.observer.end_turn()

    def note(self, problem: ProblemError) -> None:
        """Count what a connection refuses by itself."""
        self.observer.metrics.errors[problem.kind] += 1

    def refusal(self, request: Request) -> Response | None:
        """The answer to a request whose body is not worth waiting for; None if it is."""
        try:
            if self.admit(request).route.latency is None:
                raise ProblemError(413, f"{request.path.decode('latin-1')} takes no body")
        except ProblemError as problem:
            return self._refused(request, problem)
        return None

    def _refuse_later(self, request: Request, error: Exception) -> Response:
        """The refusal of a request that was answered by a promise, whose fulfilment is observed."""
        if not isinstance(error, ProblemError):
            self.observer.failed(request)
            error = ProblemError(500, FAILED)
        self.note(error)
        return error.response(v2=request.path.startswith(b"/v2"))

    def _refused(self, request: Request, problem: ProblemError) -> Response:
        self.observer.refused(request, problem)
        return problem.response(v2=request.path.startswith(b"/v2"))

    def admit(self, request: Request) -> Admitted:
        """What answers the request, and the id of its key, by its head alone; raises `ProblemError`."""
        route = self.routes.get(request.path) or self._find(request.path)
        if request.method not in route.methods:
            method = request.method.decode()
            raise ProblemError(
                405,
                f"{method} is not allowed here, use {route.allow.decode()}",
                headers=b"allow: %s\r\n" % route.allow,
            )
        if route.latency is None:
            return Admitted(route, "")
        key_id = self._keys.holder(request.headers.get(b"authorization"))
        if key_id is None:
            raise ProblemError(
                401, "send a valid key as `Authorization: Bearer KEY`", headers=b"www-authenticate: Bearer\r\n"
            )
        return Admitted(route, key_id)

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
