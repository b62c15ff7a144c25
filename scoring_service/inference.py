"""The Open Inference Protocol v2 over REST, with its binary tensor extension."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Final

import msgspec
import numpy as np

from scoring_service import VERSION
from scoring_service.context import Context
from scoring_service.messages import Answer, Request, Response
from scoring_service.metrics import Histogram
from scoring_service.problem import ProblemError, some_of
from scoring_service.route import GET, Handler, Route, fixed
from scoring_service.schema import Schema
from scoring_service.scoring import Scorer
from scoring_service.settings import Settings
from scoring_service.tensors import COLUMN_TYPES, WHOLE, Parameters, Tensor, TensorReader

OUTPUT: Final = "output"
"""The tensor of the predictions, shape [rows], FP64."""


class _Wanted(msgspec.Struct, frozen=True):
    name: str
    parameters: Parameters = {}


class _Inference(msgspec.Struct, frozen=True):
    inputs: Annotated[list[Tensor], msgspec.Meta(min_length=1)]
    id: str | None = None
    parameters: Parameters = {}
    outputs: list[_Wanted] = []

    def wants_binary(self) -> bool:
        """Whether the answer shall be binary; raises `ProblemError` if another tensor is wanted."""
        unknown = sorted({wanted.name for wanted in self.outputs} - {OUTPUT})
        if unknown:
            raise ProblemError(422, f"unknown outputs {some_of(unknown)}, there is `{OUTPUT}`")
        if self.outputs:
            return self.outputs[0].parameters.get("binary_data") is True
        return self.parameters.get("binary_data_output") is True


class _Result(msgspec.Struct, omit_defaults=True):
    name: str
    datatype: str
    shape: list[int]
    data: list[float] | None = None
    parameters: Parameters | None = None


class _Inferred(msgspec.Struct):
    model_name: str
    model_version: str
    id: str
    outputs: list[_Result]


class InferenceProtocol:
    """Speaks the protocol for one model, named after its recipe."""

    def __init__(
        self, context: Context, settings: Settings, scorer: Scorer, ready: Handler, latency: Histogram
    ) -> None:
        self._context = context
        self._settings = settings
        self._scorer = scorer
        self._ready = ready
        self._latency = latency
        self._version = str(settings.model_version)
        self._reader = TensorReader(context.schema, settings.max_rows)
        self._decode: Callable[[bytes], _Inference] = msgspec.json.Decoder(_Inference).decode

    def routes(self) -> Mapping[bytes, Route]:
        """The routes by path."""
        name = self._context.schema.recipe.encode()
        model = b"/v2/models/" + name
        routes = {
            b"/v2": Route(GET, fixed(_server())),
            b"/v2/health/live": Route(GET, fixed({"live": True})),
            b"/v2/health/ready": Route(GET, self._ready),
        }
        for path in (model, b"%b/versions/%b" % (model, self._version.encode())):
            routes[path] = Route(GET, fixed(self._metadata()))
            routes[path + b"/ready"] = Route(GET, self._ready)
            routes[path + b"/infer"] = Route(b"POST", self.infer, self._latency)
        return routes

    def infer(self, request: Request, key_id: str) -> Answer:
        """Answer a body of `POST …/infer`; raises `ProblemError`."""
        head, tail = _split(request)
        try:
            asked = self._decode(head)
        except msgspec.ValidationError as error:
            raise ProblemError(422, f"no inference request: {error}") from None
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise ProblemError(400, f"the body is not JSON: {error}") from None
        binary = asked.wants_binary()
        rows = self._reader.read(asked.inputs, tail)
        given = asked.id.encode(errors="replace") if asked.id else None
        return self._scorer.answer(request, rows, key_id, partial(self._render, asked, binary), given)

    def _render(self, asked: _Inference, binary: bool, outputs: list[float], request_id: str) -> Response:
        result = _Result(OUTPUT, "FP64", [len(outputs)])
        answer = _Inferred(self._context.schema.recipe, self._version, asked.id or request_id, [result])
        return _render(answer, outputs, binary, b"x-request-id: %b\r\n" % request_id.encode())

    def _metadata(self) -> Mapping[str, object]:
        schema = self._context.schema
        return {
            "name": schema.recipe,
            "versions": [self._version],
            "platform": f"ridgeline_{self._context.model.metadata()['form']}",
            "inputs": _inputs(schema),
            "outputs": [{"name": OUTPUT, "datatype": "FP64", "shape": [-1]}],
            "parameters": {"features": ",".join(schema.names)},
        }


def _inputs(schema: Schema) -> list[Mapping[str, object]]:
    if schema.numeric:
        return [{"name": WHOLE, "datatype": "FP64", "shape": [-1, len(schema.features)]}]
    return [{"name": each.name, "datatype": COLUMN_TYPES[each.type], "shape": [-1, 1]} for each in schema.features]


def _server() -> Mapping[str, object]:
    return {"name": "ridgeline", "version": VERSION, "extensions": ["binary_tensor_data"]}


def _split(request: Request) -> tuple[bytes, memoryview]:
    """The JSON of a body and the binary tensors behind it."""
    length = request.headers.get(b"inference-header-content-length")
    body = bytes(request.body)
    if length is None:
        return body, memoryview(b"")
    if not length.isdigit() or len(length) > 12 or int(length) > len(body):
        raise ProblemError(400, f"Inference-Header-Content-Length is no length within the {len(body)} bytes sent")
    return body[: int(length)], memoryview(body)[int(length) :]


def _render(answer: _Inferred, outputs: list[float], binary: bool, headers: bytes) -> Response:
    result = answer.outputs[0]
    if not binary:
        result.data = outputs
        return Response(200, msgspec.json.encode(answer), headers=headers)
    tail = np.array(outputs, "<f8").tobytes()
    result.parameters = {"binary_data_size": len(tail)}
    head = msgspec.json.encode(answer)
    headers += b"inference-header-content-length: %d\r\n" % len(head)
    return Response(200, head + tail, b"application/octet-stream", headers)
