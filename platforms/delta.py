"""Datasets as Delta tables, one per recipe, on a folder or on anything else that Delta can write to.

A table is created empty as version 0; each accepted batch is one commit, so its first batch is version 1. A commit
carries the batch's id and the fingerprint of its rows as application transactions, both with the version that it
makes, and in further ones the rows and the fingerprint of the whole table: unlike the log's history they can be asked
of every version, and outlive the log's files. Every writer commits to the version after the one that it saw, or fails
and looks again: so `_version` is the version that brought a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from platforms import races
from platforms.errors import ConflictError, NotFoundError, PlatformError
from platforms.fingerprint import Fingerprint
from platforms.values import DatasetVersion

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable, WriterProperties

INTERRUPTIONS: Final = 3
"""How many attempts may end without an answer."""
_SIGN: Final = 2**63
_FOREVER: Final = "interval 36500 days"
_CONFIGURATION: Final = {
    "delta.setTransactionRetentionDuration": _FOREVER,
    "delta.logRetentionDuration": _FOREVER,
    "delta.deletedFileRetentionDuration": _FOREVER,
}


@dataclass(frozen=True)
class _Counted:
    """A batch in an Arrow file: counted once, written as often as commits are lost."""

    path: Path
    schema: pa.Schema
    fingerprint: Fingerprint


def _no_options() -> dict[str, str]:
    return {}


class DeltaStore:
    """The dataset port on Delta tables at `<root>/<recipe>`.

    `options` are what Delta needs to get at the root, asked for each time: a token in them does not live long.
    """

    def __init__(self, root: str | Path, options: Callable[[], dict[str, str]] = _no_options) -> None:
        self._root = str(root).rstrip("/")
        self._options = options

    def location(self, recipe: str) -> str:
        """Where the recipe's table is."""
        return f"{self._root}/{recipe}"

    def append(self, recipe: str, rows: Path, batch_id: str) -> DatasetVersion:
        """Commit a batch, an Arrow file, in one transaction and return the newest version, which holds it.

        A batch that was accepted before, by its `batch_id` or as exactly these rows, appends nothing: then the
        current version is returned.

        Raises:
            ConflictError: Other writers won every attempt.
            PlatformError: The batch is empty, or its columns do not fit the table.
        """
        if self.contains(recipe, batch_id):
            return self.version(recipe)
        batch = _counted(rows)
        if batch.fingerprint.rows == 0:
            raise PlatformError(f"batch {batch_id!r} of {recipe!r} has no rows: nothing to append")
        for attempt in races.attempts():
            if self._attempt(recipe, batch, batch_id, attempt):
                return self.version(recipe)
        raise ConflictError(
            f"batch {batch_id!r} of {recipe!r}: {races.ATTEMPTS} attempts lost against others; append it again"
        )

    def contains(self, recipe: str, batch_id: str) -> bool:
        """Whether the batch was accepted before."""
        table = self._open(recipe)
        return table is not None and table.transaction_version(_batch(batch_id)) is not None

    def origin(self, recipe: str, batch: str) -> int | None:
        """The version that an accepted batch made, by its id or by the fingerprint of its rows; None if unknown."""
        table = self._open(recipe)
        if table is None:
            return None
        found = table.transaction_version(_batch(batch))
        return table.transaction_version(_rows(batch)) if found is None else found

    def version(self, recipe: str, version: int | None = None) -> DatasetVersion:
        """The named or newest version; raises `NotFoundError`."""
        table = self._existing(recipe, version)
        fingerprint = _fingerprint(table)
        return DatasetVersion(recipe, table.version(), fingerprint.rows, str(fingerprint))

    def _attempt(self, recipe: str, rows: _Counted, batch_id: str, number: int) -> bool:
        """Commit; if the connection broke, nobody knows whether it was done, and the next attempt looks."""
        try:
            return self._commit(recipe, rows, batch_id)
        except OSError as error:
            if number < INTERRUPTIONS:
                return False
            raise PlatformError(f"the table {self.location(recipe)} cannot be written: {error}") from error

    def _commit(self, recipe: str, rows: _Counted, batch_id: str) -> bool:
        """Append to the version that is newest now, unless the batch is in it; False if somebody was faster."""
        from deltalake import CommitProperties, Transaction, write_deltalake
        from deltalake.exceptions import CommitFailedError, DeltaError, SchemaMismatchError

        table = self._created(recipe, rows.schema)
        names = (_batch(batch_id), _rows(str(rows.fingerprint)))
        if any(table.transaction_version(name) is not None for name in names):
            return True
        total = _fingerprint(table) + rows.fingerprint
        next_version = table.version() + 1
        facts = {**dict.fromkeys(names, next_version), **_facts(next_version, total)}
        properties = CommitProperties(
            custom_metadata={"rows": str(total.rows), "fingerprint": str(total), "batch": batch_id},
            app_transactions=[Transaction(name, value) for name, value in facts.items()],
            max_commit_retries=0,
        )
        try:
            write_deltalake(
                table,
                _numbered(rows, next_version),
                mode="append",
                commit_properties=properties,
                target_file_size=64 << 20,
                writer_properties=_layout(rows.schema),
            )
        except CommitFailedError:
            return False
        except SchemaMismatchError as error:
            raise PlatformError(
                f"batch {batch_id!r} does not fit the table {self.location(recipe)}: {error}"
            ) from error
        except DeltaError as error:
            raise PlatformError(f"the table {self.location(recipe)} cannot be written: {error}") from error
        return True

    def _open(self, recipe: str, version: int | None = None) -> DeltaTable | None:
        """The table, or None if it or the named version does not exist."""
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        if version is not None and version < 1:
            return None
        try:
            return DeltaTable(self.location(recipe), version=version, storage_options=self._options())
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as error:
            if version is not None and self._lacks(recipe, version):
                return None
            raise PlatformError(f"the table {self.location(recipe)} cannot be read: {error}") from error

    def _lacks(self, recipe: str, version: int) -> bool:
        newest = self._open(recipe)
        return newest is None or newest.version() < version

    def _existing(self, recipe: str, version: int | None = None) -> DeltaTable:
        table = self._open(recipe, version)
        if table is None or table.version() == 0:
            which = "no batch yet" if version is None else f"no version {version}"
            raise NotFoundError(
                f"recipe {recipe!r} has {which} in {self.location(recipe)}; `ridgeline ingest` a file"
            )
        return table

    def _created(self, recipe: str, schema: pa.Schema) -> DeltaTable:
        from deltalake import CommitProperties, DeltaTable
        from deltalake.exceptions import DeltaError

        table = self._open(recipe)
        if table is not None:
            return table
        try:
            return DeltaTable.create(
                self.location(recipe),
                _with_arrival(schema),
                configuration=_CONFIGURATION,
                storage_options=self._options(),
                # Another writer's table would get a second, empty version.
                commit_properties=CommitProperties(max_commit_retries=0),
            )
        except (DeltaError, OSError) as error:
            table = self._open(recipe)
            if table is None:
                raise PlatformError(f"the table {self.location(recipe)} cannot be created: {error}") from error
            return table


def _counted(path: Path) -> _Counted:
    """The batch of an Arrow file, in constant memory."""
    schema = _schema(path)
    return _Counted(path, schema, sum(map(Fingerprint.of, _batches(path)), Fingerprint()))


def _schema(path: Path) -> pa.Schema:
    import pyarrow as pa

    with pa.OSFile(str(path)) as source:
        return pa.ipc.open_file(source).schema


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    # Mapped pages would count as memory of the process, so the file is read.
    with pa.OSFile(str(path)) as source:
        file = pa.ipc.open_file(source)
        for index in range(file.num_record_batches):
            yield file.get_batch(index)


def _numbered(rows: _Counted, version: int) -> pa.RecordBatchReader:
    """The batch with `_version` and `_row`."""
    import pyarrow as pa

    return pa.RecordBatchReader.from_batches(_with_arrival(rows.schema), _numbered_batches(rows, version))


def _numbered_batches(rows: _Counted, version: int) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    start = 0
    for batch in _batches(rows.path):
        positions = pa.array(np.arange(start, start + batch.num_rows, dtype="i8"))
        versions = pa.repeat(pa.scalar(version, pa.int64()), batch.num_rows)
        yield batch.append_column("_version", versions).append_column("_row", positions)
        start += batch.num_rows


def _layout(schema: pa.Schema) -> WriterProperties:
    """How the files are written: the writer holds whole row groups, and dictionaries of numbers that never repeat.

    With its defaults five million rows took 800 MB, so 170, in half the time.
    """
    import pyarrow as pa
    from deltalake import ColumnProperties, WriterProperties

    numbers = [field.name for field in schema if pa.types.is_floating(field.type)]
    plain = ColumnProperties(dictionary_enabled=False)
    return WriterProperties(max_row_group_size=131_072, column_properties=dict.fromkeys([*numbers, "_row"], plain))


def _with_arrival(schema: pa.Schema) -> pa.Schema:
    import pyarrow as pa

    plain = schema.remove_metadata()
    return plain.append(pa.field("_version", pa.int64())).append(pa.field("_row", pa.int64()))


def _batch(batch_id: str) -> str:
    return f"batch:{batch_id}"


def _rows(fingerprint: str) -> str:
    return f"rows:{fingerprint}"


def _facts(version: int, total: Fingerprint) -> dict[str, int]:
    """What a commit says of the table: application transactions hold signed 64-bit numbers."""
    return {
        "ridgeline.version": version,
        "ridgeline.rows": total.rows,
        "ridgeline.fingerprint.1": total.first - _SIGN,
        "ridgeline.fingerprint.2": total.second - _SIGN,
    }


def _fingerprint(table: DeltaTable) -> Fingerprint:
    """As the version's commit says; counted anew if another program made that commit."""
    if table.version() == 0:
        return Fingerprint()
    found = [table.transaction_version(name) for name in _facts(0, Fingerprint())]
    match found:
        case [int(version), int(rows), int(first), int(second)] if version == table.version():
            return Fingerprint(rows, first + _SIGN, second + _SIGN)
    batches = table.to_pyarrow_dataset().to_batches()
    return sum((Fingerprint.of(batch) for batch in batches), Fingerprint())
