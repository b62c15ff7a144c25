"""The OpenAPI 3.1 description of every route, generated from the schema of the recipe."""

from __future__ import annotations

from scoring_service.openapi_bodies import INFERRED, PREDICTIONS, PROBLEM, RESULT, Bodies
from scoring_service.openapi_parts import STATUS, Json, content, get, post
from scoring_service.schema import Schema
from scoring_service.settings import Settings

DRAINS = {"503": "The replica drains"}


def document(schema: Schema, settings: Settings) -> Json:
    """The whole description."""
    bodies = Bodies(schema, settings)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{schema.recipe} scoring",
            "version": str(settings.model_version),
            "description": "Only predictions need a key. TLS ends in front of the service.",
        },
        "paths": _scoring(schema, bodies) | _service() | _inference(schema, settings, bodies),
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Rows": bodies.rows(), "Result": RESULT, "Problem": PROBLEM},
        },
    }


def _scoring(schema: Schema, bodies: Bodies) -> Json:
    summary = f"Predict {schema.target}"
    result = content("application/json", {"$ref": "#/components/schemas/Result"})
    predictions = content("application/json", PREDICTIONS)
    return {
        "/score": post("score", summary, bodies.score(), result),
        "/invocations": post("invocations", f"{summary}, as MLflow does", bodies.invocations(), predictions),
    }


def _service() -> Json:
    status = content("application/json", STATUS)
    return {
        "/health/live": get("live", "Whether the process runs", status),
        "/health/ready": get("ready", "Whether requests are answered", status, DRAINS),
        "/ping": get("ping", "Whether requests are answered", status, DRAINS),
        "/version": get("version", "Version of the service", content("text/plain", {"type": "string"})),
        "/metrics": get("metrics", "Counts, for Prometheus", content("text/plain", {"type": "string"})),
        "/docs": get("docs", "A page to try all this", content("text/html", {"type": "string"})),
        "/metadata": get("metadata", "What is served", status),
        "/openapi.json": get("openapi", "This description", status),
    }


def _inference(schema: Schema, settings: Settings, bodies: Bodies) -> Json:
    status = content("application/json", STATUS)
    paths: Json = {
        "/v2": get("server_metadata", "The server and its extensions", status),
        "/v2/health/live": get("server_live", "Whether the process runs", status),
        "/v2/health/ready": get("server_ready", "Whether requests are answered", status, DRAINS),
    }
    model = f"/v2/models/{schema.recipe}"
    summary = f"Predict {schema.target}, as the Open Inference Protocol does"
    for name, path in (("model", model), ("version", f"{model}/versions/{settings.model_version}")):
        paths[path] = get(f"{name}_metadata", "What is served, as tensors", status)
        paths[f"{path}/ready"] = get(f"{name}_ready", "Whether requests are answered", status, DRAINS)
        answer = content("application/json", INFERRED)
        paths[f"{path}/infer"] = post(f"{name}_infer", summary, bodies.inference(), answer)
    return paths
