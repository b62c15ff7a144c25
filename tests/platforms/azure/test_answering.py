from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from platforms.azure import answering
from platforms.values import EndpointSpec, Image

SPEC = EndpointSpec("r", "qa", Image("r:2-0123", "digest"), 2)


@contextmanager
def answering_with(metadata: object) -> Iterator[str]:
    """The URL of somebody who is ready and has this to say of himself."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(metadata).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("metadata", "serves"),
    [
        ({"image_digest": "digest", "model_version": 2}, True),
        ({"image_digest": "digest", "model_version": 1}, False),
        ({"error": "this is a gateway"}, False),
        (["this is a gateway"], False),
        (None, False),
    ],
)
def test_only_who_says_so_serves_an_image(metadata: object, serves: bool) -> None:
    with answering_with(metadata) as url:
        assert answering.serves(url, SPEC) is serves
