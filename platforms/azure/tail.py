"""The log of something that runs elsewhere, read while it grows, from where the last look ended."""

from __future__ import annotations

from typing import Final

from platforms.azure import clients
from platforms.azure.settings import AzureSettings
from platforms.lines import Lines

LAST_LOOKS: Final = 3
"""How often the log of something that is over is looked for, if it cannot be read."""
UNREADABLE: Final = (401, 403, 404)


class Tail:
    """One log blob behind an address that expires: each look takes a fresh one."""

    def __init__(self, settings: AzureSettings, lines: Lines) -> None:
        self._settings = settings
        self._lines = lines
        self._offset = 0

    def read(self, url: str) -> bool:
        """Hand on what came since the last look; a log that was begun anew is read from its beginning.

        False if there is nothing to read: the log is not there yet, or the address has expired.
        """
        from azure.core.exceptions import HttpResponseError

        try:
            self._read(url)
        except HttpResponseError as error:
            if error.status_code not in UNREADABLE:
                raise
            return False
        return True

    def _read(self, url: str) -> None:
        with clients.signed_blob(self._settings, url) as blob:
            size = blob.get_blob_properties().size
            if size < self._offset:
                self._lines.end()
                self._offset = 0
            if size > self._offset:
                content: bytes = blob.download_blob(self._offset, size - self._offset).readall()
                self._offset = size
                self._lines.feed(content)
