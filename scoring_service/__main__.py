"""`python -m scoring_service`: serve the image in the working directory, or in `SCORING_CONTEXT`."""

from __future__ import annotations

import os
import sys
from typing import Final

import uvloop

from scoring_service import exit_codes
from scoring_service.context import ContextError
from scoring_service.events import emit
from scoring_service.keys import KeysError
from scoring_service.model import ModelError
from scoring_service.request_log import LogError
from scoring_service.schema import SchemaError
from scoring_service.server import serve
from scoring_service.settings import Settings, SettingsError
from scoring_service.tracing import TracingError

IMAGE_FAULTS: Final = (ContextError, ModelError, SchemaError)
FAULTS_OF_SURROUNDINGS: Final = (KeysError, LogError, OSError, SettingsError, TracingError)


def main() -> int:
    """Serve until stopped; if the service cannot start, one of `exit_codes`, with the reason on stderr."""
    # A replica has one core: threads of scikit-learn would only wait for one another.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        uvloop.run(serve(Settings.read(os.environ)))
    except IMAGE_FAULTS as error:
        return _refused(error, exit_codes.IMAGE)
    except FAULTS_OF_SURROUNDINGS as error:
        return _refused(error, exit_codes.SURROUNDINGS)
    return 0


def _refused(error: Exception, code: int) -> int:
    emit("error", f"does not start: {error}")
    return code


if __name__ == "__main__":
    sys.exit(main())
