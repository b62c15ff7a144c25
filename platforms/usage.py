"""What a training job took and cost."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

USAGE: Final = "usage.json"
"""What the job took and cost where it ran, written into its outputs by the platform."""


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
