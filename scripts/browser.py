"""Headless Chromium through its DevTools protocol: open a page, wait for a text, take a picture."""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from websockets.sync.client import connect
from websockets.sync.connection import Connection

FLAGS: Final = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--remote-debugging-port=0",
)
POLL: Final = 0.2
FIELD: Final = """label => {
    let part = [...document.querySelectorAll('label')].find(found => found.innerText.trim().startsWith(label));
    while (part && !part.querySelector('input, textarea')) part = part.parentElement;
    return part && part.querySelector('input, textarea');
}"""
"""A function that finds the field next to a label."""


class BrowserError(Exception):
    """Chromium did not start, or a page did not show what was expected; the message holds what it showed."""


@dataclass
class Page:
    """One open page."""

    connection: Connection
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def open(self, url: str) -> None:
        """Go to `url`; returns before everything is drawn."""
        self._call("Page.navigate", url=url)

    def text(self) -> str:
        """What a person can read on the page now."""
        return str(self._evaluate("document.body ? document.body.innerText : ''"))

    def wait_for(self, text: str, timeout: float = 30.0) -> None:
        """Wait until the page shows `text`; raises `BrowserError` with what it shows instead."""
        deadline = time.monotonic() + timeout
        while text not in self.text():
            if time.monotonic() > deadline:
                raise BrowserError(f"{text!r} did not appear; the page shows: {self.text()[:2000]!r}")
            time.sleep(POLL)

    def click(self, text: str) -> None:
        """Click the innermost element whose text is exactly `text`."""
        script = (
            "(() => { const all = [...document.querySelectorAll('a,button,[role=tab],span,div')]"
            f".filter(e => e.innerText && e.innerText.trim() === {json.dumps(text)});"
            "const last = all[all.length - 1]; if (last) last.click(); return !!last; })()"
        )
        if not self._evaluate(script):
            raise BrowserError(f"there is no {text!r} to click on")

    def value(self, label: str) -> str:
        """What stands in the field under the first label that begins with `label`; empty if there is none."""
        return str(self._evaluate(f"(({FIELD})({json.dumps(label)}) || {{value: ''}}).value"))

    def fill(self, label: str, value: str) -> None:
        """Type `value` over what stands in the field under the first label that begins with `label`."""
        script = f"(f => {{ if (f) {{ f.focus(); f.select(); }} return !!f; }})(({FIELD})({json.dumps(label)}))"
        if not self._evaluate(script):
            raise BrowserError(f"there is no field {label!r} to fill; the page shows: {self.text()[:2000]!r}")
        self._call("Input.insertText", text=value)

    def images(self) -> list[int]:
        """The natural width in pixels of every image that was drawn from a data URI; 0 for one that is broken."""
        script = "[...document.images].filter(i => i.src.startsWith('data:')).map(i => i.naturalWidth)"
        widths = self._evaluate(script)
        return [int(width) for width in widths] if isinstance(widths, list) else []

    def picture(self, file: Path) -> None:
        """Write a PNG of the window."""
        file.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"]))

    def _evaluate(self, script: str) -> object:
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        return answer["result"].get("value")

    def _call(self, method: str, **parameters: object) -> dict[str, Any]:
        number = next(self._numbers)
        self.connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message: dict[str, Any] = json.loads(self.connection.recv(timeout=30))
            if message.get("id") != number:
                continue
            if "error" in message:
                raise BrowserError(f"{method}: {message['error']}")
            result: dict[str, Any] = message["result"]
            return result


@contextmanager
def browser(width: int = 1400, height: int = 900) -> Iterator[Page]:
    """A fresh headless Chromium with one page; raises `BrowserError` if it is not installed."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        raise BrowserError("chromium is not installed: run scripts/install-test-packages")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = [*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"]
        if os.geteuid() == 0:
            flags.append("--no-sandbox")
        process = subprocess.Popen(
            [program, *flags],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"TMPDIR": profile},
        )
        try:
            with connect(_page_socket(process), max_size=None) as connection:
                yield Page(connection)
        finally:
            process.terminate()
            process.communicate()


def _page_socket(process: subprocess.Popen[str]) -> str:
    assert process.stderr
    for line in process.stderr:
        if found := re.search(r"ws://(127\.0\.0\.1:\d+)/", line):
            pages = httpx.get(f"http://{found[1]}/json/list", trust_env=False).json()
            return str(next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page"))
    raise BrowserError("chromium ended before it opened its port")
