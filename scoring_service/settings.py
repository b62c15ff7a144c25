"""Every setting of the service, read from the environment variables `SCORING_…`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

import msgspec

from scoring_service.request_log import SEGMENT_BYTES, SEGMENT_SECONDS

PREFIX = "SCORING_"
Descriptor = Annotated[int, msgspec.Meta(ge=0)]
Size = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class SettingsError(Exception):
    """A setting is missing or has a value that cannot be used; the message names the variable."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What can be set. A field `x_y` is the environment variable `SCORING_X_Y`."""

    keys_file: str
    """File of API keys, one `<id> <key>` a line."""

    context: str = "."
    """Folder of the image: manifest, schema, model."""

    model_version: int = 0
    """Version of the model in the registry."""

    image_digest: str = ""
    """Digest of the image that runs."""

    environment: str = "local"
    """Endpoint that this replica belongs to."""

    host: str = "127.0.0.1"
    """Address to listen on, unless a socket is inherited."""

    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080
    """Port to listen on, unless a socket is inherited."""

    listen_fd: Descriptor | None = None
    """Descriptor of an inherited listening socket."""

    ready_fd: Descriptor | None = None
    """Descriptor of a pipe that gets a byte as soon as requests are answered, and two a second from then on."""

    alive_fd: Descriptor | None = None
    """Descriptor of a pipe whose end-of-file means that the supervisor is gone: drain and exit."""

    log_dir: str | None = None
    """Folder of the request log; without it requests are not logged."""

    log_failure: Literal["refuse", "degrade"] = "refuse"
    """When a request cannot be logged: answer it with 503, or serve it, count it and raise an alarm."""

    log_sync: bool = False
    """Bring every record to the disk before its answer (group fdatasync), so that it outlives a loss of power."""

    log_segment_bytes: Size = SEGMENT_BYTES
    """Size at which a log segment is closed."""

    log_segment_seconds: Seconds = SEGMENT_SECONDS
    """Age at which a log segment is closed."""

    log_sample: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    """Share of requests that are logged, chosen by a hash of the request id."""

    log_redact: str = ""
    """Features, separated by commas, that are left out of the log; a model without one of them warns."""

    drain_seconds: Seconds = 5.0
    """Longest time between SIGTERM and exit."""

    drain_idle_seconds: Seconds = 1.0
    """While draining, a connection without a request for so long is closed."""

    idle_seconds: Seconds = 120.0
    """A connection without a request for so long is closed."""

    header_seconds: Seconds = 10.0
    """Time for the headers of a request to arrive."""

    body_seconds: Seconds = 30.0
    """Time for the body of a request to arrive, and for an answer to be taken."""

    max_concurrency: Size = 64
    """Requests that are never refused for waiting, in one turn of the event loop."""

    max_wait_seconds: Seconds = 0.25
    """Requests beyond those that waited longer in one turn are refused with 503 and `Retry-After`."""

    max_waiting: Size = 4096
    """Most answers that wait for the disk."""

    max_connections: Size = 10_000
    """Most connections; further ones are refused. At most the limit of open files less 96, which must leave some."""

    otlp_endpoint: str | None = None
    """Base URL of an OTLP/HTTP collector that gets a span per prediction, such as `http://collector:4318`."""

    access_log: bool = False
    """Write a line on stderr for every prediction; the request log has them anyway."""

    max_header_bytes: Size = 32 * 1024
    """Largest request line and headers."""

    max_body_bytes: Size = 8 * 1024 * 1024
    """Largest request body."""

    max_rows: Size = 10_000
    """Most rows in one request."""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """The settings of an environment; raises `SettingsError`. An empty variable counts as unset."""
        given = {name: environ.get(PREFIX + name.upper(), "") for name in cls.__struct_fields__}
        try:
            return msgspec.convert({name: text for name, text in given.items() if text}, cls, strict=False)
        except msgspec.ValidationError as error:
            raise SettingsError(_explain(str(error))) from None


def _explain(message: str) -> str:
    if "missing required field `keys_file`" in message:
        return f"{PREFIX}KEYS_FILE is not set: name a file with one `<id> <key>` a line"
    reason, _, path = message.partition(" - at `$.")
    return f"{PREFIX}{path.rstrip('`').upper()}: {reason}"
