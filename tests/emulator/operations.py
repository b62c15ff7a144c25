"""Long-running operations: work that goes on in a thread while the client asks for its status."""

from __future__ import annotations

import threading
import time
import traceback
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tests.emulator.faults import Faults
from tests.emulator.http import CloudError, now


@dataclass
class Operation:
    """One operation and its state, as its status document tells it."""

    name: str
    started: str
    status: Literal["InProgress", "Succeeded", "Failed", "Canceled"] = "InProgress"
    ended: str | None = None
    error: dict[str, str] | None = None
    finished: threading.Event = field(default_factory=threading.Event)

    def document(self) -> dict[str, object]:
        found = {"name": self.name, "status": self.status, "startTime": self.started}
        if self.ended:
            found["endTime"] = self.ended
        return found | ({"error": self.error} if self.error else {})


class Operations:
    """Every operation that was started, by name."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._known: dict[str, Operation] = {}

    def start(self, work: Callable[[], None]) -> Operation:
        """Do the work in a thread; a `CloudError` that it raises is the operation's error."""
        operation = Operation(str(uuid.uuid4()), now())
        self._known[operation.name] = operation
        thread = threading.Thread(target=self._run, args=[operation, work], name="emulator-operation", daemon=True)
        thread.start()
        # What is done at once need not be asked for twice.
        thread.join(0.05)
        return operation

    def get(self, name: str) -> Operation:
        if name not in self._known:
            raise CloudError(404, "NotFound", f"The operation '{name}' was not found.")
        return self._known[name]

    def _run(self, operation: Operation, work: Callable[[], None]) -> None:
        time.sleep(self._faults.operation_seconds)
        try:
            work()
            operation.status = "Succeeded"
        except CloudError as error:
            operation.status, operation.error = "Failed", error.document()
        except Exception as error:
            traceback.print_exc()
            operation.status, operation.error = "Failed", {"code": "InternalServerError", "message": repr(error)}
        finally:
            operation.ended = now()
            operation.finished.set()
