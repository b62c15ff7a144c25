"""API keys: who may ask for predictions."""

from __future__ import annotations

from hmac import compare_digest
from pathlib import Path
from typing import Self


class KeysError(Exception):
    """The keys file cannot be used; the message names the file and the line, never a key."""


class Keys:
    """Keys by id. Several may be valid at once, so that a key can be exchanged without a gap."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        self._keys = tuple(keys.items())
        self._usual = tuple((key_id, b"Bearer " + key) for key_id, key in keys.items())

    @classmethod
    def read(cls, file: Path) -> Self:
        """The keys in a file of `<id> <key>` lines; raises `KeysError` if there is none."""
        try:
            content = file.read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise KeysError(f"keys file {file} cannot be read: {error}") from None
        return cls.parse(content, f"keys file {file}")

    @classmethod
    def parse(cls, content: str, source: str) -> Self:
        """The keys in `<id> <key>` lines; raises `KeysError`, which names the `source`."""
        if not content.isascii():
            raise KeysError(f"{source} holds something else than ASCII letters")
        keys: dict[str, bytes] = {}
        for number, line in enumerate(content.splitlines(), 1):
            words = line.split()
            if words and len(words) != 2:
                raise KeysError(f"{source}, line {number}: expected `<id> <key>`")
            if words and words[0] in keys:
                raise KeysError(f"{source}, line {number}: `{words[0]}` has a key already, take another id")
            if words:
                keys[words[0]] = words[1].encode()
        if not keys:
            raise KeysError(f"{source} holds no key: add a line `<id> <key>`")
        return cls(keys)

    def holder(self, authorization: bytes | None) -> str | None:
        """The id of the key in an `Authorization: Bearer KEY` header; takes as long for any wrong key."""
        if authorization is None:
            return None
        found = None
        for key_id, usual in self._usual:
            if compare_digest(usual, authorization):
                found = key_id
        return found or self._unusual_holder(authorization)

    def _unusual_holder(self, authorization: bytes) -> str | None:
        """The same, of a header with another case or more spaces."""
        scheme, _, given = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        given = given.strip()
        found = None
        for key_id, key in self._keys:
            if compare_digest(key, given):
                found = key_id
        return found


class KeysFile:
    """The keys in a file that may change while the service runs."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen = self._look()
        self.keys = Keys.read(file)

    def refresh(self) -> bool:
        """Read the file again if it changed; raises `KeysError` once per change, and the keys stay as they were."""
        seen = self._look()
        if seen == self._seen:
            return False
        self._seen = seen
        self.keys = Keys.read(self._file)
        return True

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
