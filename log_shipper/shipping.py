"""One segment on its way: packed, stored, confirmed, deleted."""

from __future__ import annotations

from pathlib import Path

from log_shipper.packing import Parcel, packed
from platforms.errors import PlatformError
from platforms.protocols import Storage


def ship(storage: Storage, segment: Path) -> int:
    """Move a closed segment to storage and return the number of its records.

    Raises:
        UnreadableError: A line is no record; the segment stays as it is.
        Exception: What the storage raises; the segment stays, and shipping it again is right.
    """
    with packed(segment) as parcels:
        for parcel in parcels:
            _store(storage, parcel)
        rows = sum(parcel.rows for parcel in parcels)
    segment.unlink(missing_ok=True)
    return rows


def _store(storage: Storage, parcel: Parcel) -> None:
    storage.upload(parcel.source, parcel.path)
    stored = storage.stat(parcel.path)
    if stored.size != parcel.size:
        raise PlatformError(f"blob {parcel.path} has {stored.size} bytes, {parcel.size} were sent: its segment stays")
