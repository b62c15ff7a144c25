"""Application Insights takes telemetry in, Log Analytics answers queries about it.

What comes in is kept as rows of the workspace's tables. Of the query language there is: a table, `where` with `==` or
`!=` on columns or on `Properties`, `project`, `take`, `count`. Anything else is refused as Azure refuses a bad query.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.responses import Response
from starlette.routing import BaseRoute

from tests.emulator.http import Call, CloudError, answer, route
from tests.emulator.resources import Resource, ResourceType
from tests.emulator.world import World

COMPONENT: Final = "Microsoft.Insights/components"
WORKSPACE: Final = "Microsoft.OperationalInsights/workspaces"
TABLES: Final = {
    "EventData": "AppEvents",
    "MessageData": "AppTraces",
    "RequestData": "AppRequests",
    "RemoteDependencyData": "AppDependencies",
    "ExceptionData": "AppExceptions",
    "MetricData": "AppMetrics",
}
CONDITION: Final = re.compile(r"""([\w.\[\]'"()]+)\s*(==|!=)\s*(?:"([^"]*)"|'([^']*)'|([\d.]+|true|false))""")
PROPERTY: Final = re.compile(r"""(?:tostring\()?Properties(?:\.(\w+)|\[["']([^"']+)["']\])\)?""")
Row = dict[str, Any]


def routes(world: World) -> list[BaseRoute]:
    monitor = world.part(Monitor)
    return [
        # Connection strings end in a slash, which clients keep.
        *(route(f"{slash}/v2.1/track", monitor.track, ["POST"]) for slash in ("", "/")),
        route("/v1/workspaces/{workspace}/query", monitor.query, ["POST"]),
    ]


def environment(world: World) -> dict[str, str]:
    """Telemetry on, without what the exporter reports about itself to Microsoft."""
    return {
        "RIDGELINE_AZURE_APPLICATION_INSIGHTS": world.part(Monitor).connection_string,
        "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
        "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
        "APPLICATIONINSIGHTS_SDKSTATS_ENABLED_PREVIEW": "false",
    }


def seed(world: World) -> None:
    """The workspace and the component that `provision` would make."""
    logs = f"{world.group_id}/providers/{WORKSPACE}/ridgeline"
    world.resources.put(logs, {"location": "westeurope"})
    component = {"location": "westeurope", "kind": "web", "properties": {"WorkspaceResourceId": logs}}
    world.resources.put(f"{world.group_id}/providers/{COMPONENT}/ridgeline", component)


class Monitor:
    """Every row by table. All components share one instrumentation key, all workspaces one customer id."""

    def __init__(self, world: World) -> None:
        self.key, self.workspace = str(uuid.uuid4()), str(uuid.uuid4())
        self.connection_string = (
            f"InstrumentationKey={self.key};IngestionEndpoint={world.base_url}/;LiveEndpoint={world.base_url}/"
        )
        self._rows: dict[str, list[Row]] = {table: [] for table in TABLES.values()}
        self._lock = threading.Lock()
        world.resources.register(ResourceType(COMPONENT, check=self._component))
        world.resources.register(ResourceType(WORKSPACE, check=self._workspace, long_running=True))

    def rows(self, table: str) -> list[Row]:
        """A copy of a table's rows, oldest first."""
        with self._lock:
            return [dict(row) for row in self._rows[table]]

    def track(self, call: Call) -> Response:
        """Take the items whose instrumentation key is known; tell which are refused, and why."""
        items, errors = _items(call), list[Mapping[str, object]]()
        for index, item in enumerate(items):
            if item.get("iKey") != self.key:
                errors.append({"index": index, "statusCode": 400, "message": "Invalid instrumentation key"})
            else:
                self._store(item)
        accepted = len(items) - len(errors)
        status = 200 if not errors else 206 if accepted else 400
        return answer({"itemsReceived": len(items), "itemsAccepted": accepted, "errors": errors}, status)

    def query(self, call: Call) -> Response:
        if not call.headers.get("authorization", "").startswith("Bearer "):
            raise CloudError(401, "AuthorizationRequiredError", "Valid authentication was not provided")
        if call.parameters["workspace"] != self.workspace:
            raise CloudError(404, "PathNotFoundError", "The requested path does not exist")
        columns, rows = self._ask(call.body["query"])
        typed = [{"name": name, "type": _type([row[index] for row in rows])} for index, name in enumerate(columns)]
        return answer({"tables": [{"name": "PrimaryResult", "columns": typed, "rows": rows}]})

    def _ask(self, text: str) -> tuple[list[str], list[list[Any]]]:
        table, *steps = [part.strip() for part in text.split("|")]
        if table not in self._rows:
            raise _bad_query(f"Failed to resolve table or column expression named '{table}'")
        rows, columns = self.rows(table), ["TimeGenerated", "Name", "Properties"]
        for step in steps:
            verb, _, rest = step.partition(" ")
            match verb:
                case "where":
                    rows = [row for row in rows if _holds(row, rest)]
                case "project":
                    columns = [column.strip() for column in rest.split(",")]
                case "take":
                    rows = rows[: int(rest)]
                case "count":
                    rows, columns = [{"Count": len(rows)}], ["Count"]
                case _:
                    raise _bad_query(f"'{verb}' operator is not modelled")
        return columns, [[_value(row, column) for column in columns] for row in rows]

    def _store(self, item: Mapping[str, Any]) -> None:
        data = item["data"]
        base = data["baseData"]
        row = {
            "TimeGenerated": item["time"],
            "Name": base.get("name"),
            "Message": base.get("message"),
            "AppRoleName": (item.get("tags") or {}).get("ai.cloud.role"),
            "OperationId": (item.get("tags") or {}).get("ai.operation.id"),
            "Properties": base.get("properties") or {},
        }
        with self._lock:
            self._rows[TABLES[data["baseType"]]].append(row)

    def _component(self, document: Resource, _: Resource | None) -> None:
        document["properties"] |= {
            "InstrumentationKey": self.key,
            "ConnectionString": self.connection_string,
            "AppId": str(uuid.uuid5(uuid.NAMESPACE_URL, document["id"])),
        }

    def _workspace(self, document: Resource, _: Resource | None) -> None:
        document["properties"]["customerId"] = self.workspace


def _items(call: Call) -> list[dict[str, Any]]:
    """One item, a list of them, or one a line."""
    text = call.content.decode().strip()
    if "\n" in text and not text.startswith("["):
        return [json.loads(line) for line in text.splitlines()]
    found = json.loads(text)
    return found if isinstance(found, list) else [found]


def _holds(row: Row, condition: str) -> bool:
    found = CONDITION.fullmatch(condition.strip())
    if found is None:
        raise _bad_query(f"the condition '{condition}' is not modelled")
    column, operator, *texts = found.groups()
    wanted = next(text for text in texts if text is not None)
    same = str(_value(row, column)) == wanted
    return same if operator == "==" else not same


def _value(row: Row, column: str) -> Any:  # noqa: ANN401 - any JSON
    if found := PROPERTY.fullmatch(column):
        return row["Properties"].get(found[1] or found[2])
    if column not in row:
        raise _bad_query(f"Failed to resolve scalar expression named '{column}'")
    return row[column] if not isinstance(row[column], dict) else json.dumps(row[column])


def _type(values: Sequence[object]) -> str:
    return "long" if values and all(isinstance(value, int) for value in values) else "string"


def _bad_query(message: str) -> CloudError:
    return CloudError(400, "BadArgumentError", f"The request had some invalid properties: {message}")
