"""What the head of a request must say before its body is read.

Wherever two servers could disagree where a message ends, the message is refused: that is how requests are
smuggled. httptools refuses conflicting and repeated content-length; the rest is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from scoring_service.problem import ProblemError
from scoring_service.settings import Settings

UNUSUAL: Final = frozenset([b"content-encoding", b"expect", b"transfer-encoding", b"upgrade"])
"""Headers whose presence alone wants a closer look."""


def check_head(headers: Mapping[bytes, bytes], version: str, size: int, settings: Settings) -> None:
    """Raise `ProblemError` if the message must not be read on."""
    if size > settings.max_header_bytes:
        raise ProblemError(431, f"the headers are larger than {settings.max_header_bytes} bytes")
    _check_version(headers, version)
    _check_coding(headers, version)
    if int(headers.get(b"content-length", b"0")) > settings.max_body_bytes:
        raise ProblemError(413, f"the body is larger than {settings.max_body_bytes} bytes")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        accepted = b"accept-encoding: identity\r\n"
        raise ProblemError(415, "compressed bodies are not read, send it as it is", headers=accepted)
    if headers.get(b"expect", b"100-continue").lower() != b"100-continue":
        raise ProblemError(417, "only `Expect: 100-continue` is known")


def _check_version(headers: Mapping[bytes, bytes], version: str) -> None:
    if version not in ("1.0", "1.1"):
        raise ProblemError(400, f"HTTP/{version} is not spoken here, use HTTP/1.1")
    if version == "1.1" and b", " in headers.get(b"host", b", "):
        raise ProblemError(400, "an HTTP/1.1 request needs exactly one Host header")


def _check_coding(headers: Mapping[bytes, bytes], version: str) -> None:
    coding = headers.get(b"transfer-encoding")
    if coding is not None and (coding.lower() != b"chunked" or version != "1.1"):
        raise ProblemError(400, "the only transfer coding is `chunked`, in HTTP/1.1")
    if b"upgrade" in headers and (coding is not None or int(headers.get(b"content-length", b"0"))):
        raise ProblemError(400, "a request with a body cannot ask for an upgrade")
