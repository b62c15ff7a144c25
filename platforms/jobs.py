"""What a training job is on every platform: its command line, its lines, its bill, and the words of its failure."""

from __future__ import annotations

import json
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from platforms.errors import JobFailedError
from platforms.values import TrainingJob

RESULT: Final = "result.json"
"""What `training.outputs.RESULT` says: a folder that has it is complete."""
USAGE: Final = "usage.json"
"""What the job took and cost where it ran, written into its outputs by the platform."""
LAST_LINES: Final = 20


def arguments(job: TrainingJob) -> list[str]:
    """The arguments of `python -m training` that say what to do; the places, `--table` and `--out`, are missing."""
    parameters = [f"--param={name}={value}" for name, value in job.parameters.items()]
    code = [f"--code={name}={value}" for name, value in job.code.items()]
    return ["--recipe", job.recipe, "--dataset-version", str(job.dataset_version), *parameters, *code]


def unheard(line: str) -> None:
    """Takes lines where nobody wants them."""


class Lines:
    """Cuts a growing log into lines: each goes to `on_line` once, the last ones are kept."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = b""
        self.last: deque[str] = deque(maxlen=LAST_LINES)

    def feed(self, content: bytes) -> None:
        """Hand on every line that `content` completes."""
        *lines, self._rest = (self._rest + content).split(b"\n")
        for line in lines:
            self._hand_on(line)

    def end(self) -> None:
        """Hand on a last line without its newline."""
        rest, self._rest = self._rest, b""
        if rest:
            self._hand_on(rest)

    def _hand_on(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        self.last.append(text)
        self._on_line(text)


def failure(job: TrainingJob, reason: str, log: object, lines: Lines) -> JobFailedError:
    """The error of a job that ended for `reason`, with the last lines of `log`."""
    text = "\n".join(lines.last)
    return JobFailedError(f"training job {job.name} failed: {reason}. Last lines of {log}:\n{text}")


@dataclass(frozen=True)
class Usage:
    """What a job took: seconds until it started, seconds on a node, and an estimate of the cost in `currency`."""

    queue_seconds: float
    node_seconds: float
    cost: float | None
    currency: str

    @classmethod
    def read(cls, outputs: Path) -> Self | None:
        """The usage noted in a job's outputs; None where the platform noted none."""
        try:
            return cls(**json.loads((outputs / USAGE).read_bytes()))
        except FileNotFoundError:
            return None

    def write(self, outputs: Path) -> None:
        """Note the usage in a job's outputs, which several runs share; what is noted there stays."""
        if (outputs / USAGE).exists():
            return
        # Not in the outputs: another run may copy them now.
        temporary = outputs.with_name(f".tmp-{uuid.uuid4().hex}")
        try:
            temporary.write_text(json.dumps(asdict(self)) + "\n")
            temporary.replace(outputs / USAGE)
        finally:
            temporary.unlink(missing_ok=True)

    def tags(self) -> dict[str, str]:
        """The usage as lineage tags; a cost that nobody knows is left out."""
        cost = {} if self.cost is None else {"estimated_cost": f"{self.cost:.4f} {self.currency}"}
        return {"queue_seconds": f"{self.queue_seconds:.1f}", "node_seconds": f"{self.node_seconds:.1f}", **cost}
