"""Azure Machine Learning's jobs, and the run history that tells how far they are."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response
from starlette.routing import BaseRoute

from tests.emulator.blobs import Blobs
from tests.emulator.http import Call, CloudError, answer, route
from tests.emulator.jobs import OVER, Jobs
from tests.emulator.machine_learning import PROVIDER, WORKSPACE, location, not_found
from tests.emulator.resources import Resource
from tests.emulator.world import World

LOG: Final = "user_logs/std_log.txt"
ARTIFACTS: Final = "azureml"
"""The container of the workspace's own artifacts, logs among them."""
ADDED: Final[dict[str, Any]] = {
    "codeId": None,
    "componentId": None,
    "description": None,
    "distribution": None,
    "identity": {"identityType": "AMLToken"},
    "limits": None,
    "notificationSetting": None,
    "parameters": {},
    "parentJobName": None,
    "queueSettings": {"jobTier": "Null"},
    "resources": {
        "instanceCount": 1,
        "instanceType": None,
        "properties": None,
        "shmSize": "2g",
        "dockerArgs": None,
        "dockerArgsList": None,
    },
}
"""What the service adds to a job that was put without it."""
CHANGEABLE: Final = ("description", "displayName", "tags")


def routes(world: World) -> list[BaseRoute]:
    jobs, history = JobRoutes(world), f"/history/v1.0{WORKSPACE}"
    results = f"/subscriptions/{{subscription}}/providers/{PROVIDER}/locations/{{location}}/mfeOperationResults"
    return [
        route(f"{WORKSPACE}/jobs/{{name}}/cancel", jobs.cancel, ["POST"]),
        route(f"{WORKSPACE}/jobs/{{name}}", jobs.put, ["PUT"]),
        route(f"{WORKSPACE}/jobs/{{name}}", jobs.get),
        route(f"{results}/{{workspace}}:{{name}}", jobs.cancelled),
        route(f"{history}/runs/{{name}}/details", jobs.details),
        route(f"{history}/experiments/{{experiment}}/runs/{{name}}", jobs.patch, ["PATCH"]),
    ]


class JobRoutes:
    """Answers for jobs."""

    def __init__(self, world: World) -> None:
        self._world = world

    def put(self, call: Call) -> Response:
        """Submit a job; one of that name is only changed where it can be."""
        asked = call.body["properties"]
        if self._world.resources.find(call.path):
            return answer(self._change(call.path, {key: asked[key] for key in CHANGEABLE if key in asked}))
        self._require(asked)
        name = call.parameters["name"]
        properties = {**ADDED, **asked, "status": "Starting", "services": self._services(name)}
        properties["outputs"] = {**self._default_output(name), **(asked.get("outputs") or {})}
        entry, _ = self._world.resources.put(call.path, {"properties": properties})
        self._world.part(Jobs).submit(entry.document)
        return answer(entry.document, 201, location(self._world, call))

    def get(self, call: Call) -> Response:
        return answer(self._document(call))

    def cancel(self, call: Call) -> Response:
        document = self._document(call)
        if document["properties"]["status"] not in OVER:
            self._change(document["id"], {"status": "CancelRequested"})
            self._world.part(Jobs).known[document["name"]].cancel()
        place = f"/subscriptions/{self._world.subscription}/providers/{PROVIDER}/locations/westeurope"
        workspace, name = call.parameters["workspace"], document["name"]
        url = f"{self._world.base_url}{place}/mfeOperationResults/{workspace}:{name}?api-version=2023-04-01-preview"
        return Response(status_code=202, headers={"Location": url, "Retry-After": "0"})

    def cancelled(self, call: Call) -> Response:
        """Where `Location` points to after a cancellation."""
        job = self._world.part(Jobs).known.get(call.parameters["name"])
        return Response(status_code=200 if job is None or job.status in OVER else 202)

    def details(self, call: Call) -> Response:
        """The run details; a log's address is made anew each time, and the log is as long as it is now."""
        name = call.parameters["name"]
        document = self._world.resources.find(self._id(call))
        if document is None:
            raise not_found(f"run {name}")
        job, status = self._world.part(Jobs).known.get(name), document.document["properties"]["status"]
        error = {"error": {"code": "UserError", "message": job.error}} if job and job.error else None
        times = job.times if job else {}
        logs = self._logs(name) if job and job.log.exists() else {}
        target = document.document["properties"].get("computeId", "").rsplit("/", 1)[-1]
        found = {"runId": name, "target": target, "status": status, "error": error, "warnings": [], "logFiles": logs}
        return answer({**found, **times})

    def patch(self, call: Call) -> Response:
        """Merge tags and properties into the job's."""
        if self._world.resources.find(self._id(call)) is None:
            raise not_found(f"run {call.parameters['name']}")

        def change(document: Resource) -> None:
            for key in ("tags", "properties"):
                document["properties"][key] = {**document["properties"].get(key, {}), **(call.body.get(key) or {})}

        self._world.resources.change(self._id(call), change)
        return answer({"runId": call.parameters["name"]})

    def _logs(self, name: str) -> dict[str, str]:
        blobs, path = self._world.part(Blobs), f"ExperimentRun/dcid.{name}/{LOG}"
        blobs.put(ARTIFACTS, path, self._world.part(Jobs).known[name].log.read_bytes())
        return {LOG: blobs.blob_url(ARTIFACTS, path, "r")}

    def _document(self, call: Call) -> Resource:
        found = self._world.resources.find(self._id(call))
        if found is None:
            raise not_found(f"Job {call.parameters['name']} not found.")
        return found.document

    def _id(self, call: Call) -> str:
        """The id of the job that a path below the workspace speaks of."""
        return f"{WORKSPACE.format(**call.parameters)}/jobs/{call.parameters['name']}"

    def _change(self, path: str, new: dict[str, Any]) -> Resource:
        def change(document: Resource) -> None:
            document["properties"] |= new

        return self._world.resources.change(path, change).document

    def _require(self, asked: dict[str, Any]) -> None:
        """Refuse a job whose compute, code or environment does not exist."""
        for field in ("computeId", "codeId", "environmentId"):
            reference = str(asked.get(field) or "").removeprefix("azureml:")
            if reference.startswith("/") and self._world.resources.find(reference) is None:
                message = f"The {field} '{reference}' of the job was not found."
                raise CloudError(400, "UserError", message)

    def _services(self, name: str) -> dict[str, object]:
        page = f"https://ml.azure.com/runs/{name}?wsid={self._world.group_id}/workspaces/ridgeline"
        track = f"azureml://{self._world.base_url.partition('://')[2]}/mlflow/v1.0"
        empty = {"port": None, "status": None, "errorMessage": None, "properties": None, "nodes": None}
        return {
            "Tracking": {"jobServiceType": "Tracking", "endpoint": track, **empty},
            "Studio": {"jobServiceType": "Studio", "endpoint": page, **empty},
        }

    def _default_output(self, name: str) -> dict[str, object]:
        uri = f"azureml://datastores/workspaceartifactstore/ExperimentRun/dcid.{name}"
        place = {"description": None, "assetName": None, "mode": "ReadWriteMount", "jobOutputType": "uri_folder"}
        return {"default": {"uri": uri, **place}}
