"""Looks for the values of secrets in everything that a run has left behind."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import httpx

if TYPE_CHECKING:
    from platforms.protocols import Storage

Evidence = Iterable[tuple[str, bytes]]
"""What was left behind: where, and its content."""
KINDS: Final = ("deployments", "flow_runs", "task_runs", "artifacts", "logs", "variables", "block_documents")
PAGE: Final = 200


def told(secrets: Mapping[str, str], evidence: Evidence) -> list[str]:
    """Every place that tells a value, as it is or in a usual encoding; a value that is too short is refused."""
    forms = {name: encodings(value) for name, value in secrets.items()}
    return [
        f"{where} tells {name}"
        for where, content in evidence
        for name, found in forms.items()
        if any(form in content for form in found)
    ]


def encodings(value: str) -> set[bytes]:
    """The value as text, in a URL, in JSON, and in base64 wherever it begins."""
    assert len(value) >= 16, "a value that short is found by chance"
    raw = value.encode()
    # Base64 of a longer text has one of three forms of the value in it, by where the value begins.
    shifted = {base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4] for shift in range(3)}
    return {raw, quote(value, safe="").encode(), json.dumps(value)[1:-1].encode(), *shifted}


def in_folder(folder: Path, *but: str) -> Evidence:
    """Every file below a folder, but what is below folders of the given names: there secrets may be."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.is_symlink() and not set(but) & set(file.relative_to(folder).parts):
            yield str(file.relative_to(folder)), file.read_bytes()


def in_storage(storage: Storage) -> Evidence:
    """Every blob with its path."""
    for blob in storage.list(""):
        with storage.open(blob.path) as stream:
            yield f"blob {blob.path}", stream.read() + blob.path.encode()


def in_prefect(api_url: str) -> Evidence:
    """Everything that a Prefect server knows: deployments, runs with parameters and tags, artifacts, logs, events."""
    with httpx.Client(base_url=api_url, trust_env=False, timeout=30) as client:
        for kind in KINDS:
            for found in _pages(client, kind):
                yield f"Prefect's {kind} {found.get('id')}", json.dumps(found).encode()
        for event in _events(client):
            yield f"Prefect's event {event.get('event')}", json.dumps(event).encode()


def in_documents(name: str, documents: Iterable[Mapping[str, object]]) -> Evidence:
    """Any JSON."""
    for number, document in enumerate(documents):
        yield f"{name} {document.get('id') or number}", json.dumps(document, default=str).encode()


def _pages(client: httpx.Client, kind: str) -> Iterator[dict[str, object]]:
    offset = 0
    while found := client.post(f"/{kind}/filter", json={"limit": PAGE, "offset": offset}).raise_for_status().json():
        yield from found
        offset += len(found)


def _events(client: httpx.Client) -> Iterator[dict[str, object]]:
    page = client.post("/events/filter", json={"filter": {}, "limit": 50}).raise_for_status().json()
    while True:
        yield from page["events"]
        if page["next_page"] is None:
            return
        page = client.get(page["next_page"]).raise_for_status().json()
