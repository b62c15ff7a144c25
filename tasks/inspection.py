"""One reading of a batch: in constant memory, it is checked, counted, hashed and copied in the form of the table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from platforms.fingerprint import Fingerprint, row_hashes

if TYPE_CHECKING:
    import pyarrow as pa

    from recipes.findings import Finding
    from recipes.profile import Profile
    from recipes.recipe import Recipe
    from recipes.shift import Shift


@dataclass(frozen=True)
class Checked:
    """What one pass over a batch found.

    `broken` breaks the schema or is no table, `odd` the recipe's quality rules, `shifted` are the alarms among the
    tests `shifts` against the champion's profile. `rows` counts what could be read; `spool` is an Arrow file with the
    rows as the table takes them and `fingerprint` theirs, unless something is broken.
    """

    rows: int
    broken: tuple[Finding, ...]
    odd: tuple[Finding, ...] = ()
    shifted: tuple[Finding, ...] = ()
    shifts: tuple[Shift, ...] = ()
    profile: Profile | None = None
    reference: Profile | None = None
    champion: int | None = None
    fingerprint: str | None = None
    spool: Path | None = None


class Inspection:
    """One reading of one file: rows are checked, hashed, counted and, as long as all is well, written to `spool`."""

    def __init__(
        self, recipe: Recipe, name: str, spool: Path, reference: Profile | None, champion: int | None = None
    ) -> None:
        from recipes.batches import Checker
        from recipes.profile import Counter, known_bins
        from recipes.repeats import Repeats

        self._recipe, self._name, self._spool = recipe, name, spool
        self._reference, self._champion = reference, champion
        self._checker = Checker(recipe, row_hashes, spelt=name.lower().endswith(".csv"))
        self._counter = None if reference is None else Counter(known_bins(recipe, reference))
        self._repeats = Repeats()
        self._fingerprint = Fingerprint()

    def read(self, path: Path) -> Checked:
        """Read the file to its end, or to where it is damaged."""
        from recipes.batch_files import open_batch
        from recipes.findings import BatchError, Finding

        damage: tuple[Finding, ...] = ()
        try:
            file = open_batch(path, self._name, self._checker.spelt)
            self._checker.check_columns(file.columns)
            if not self._checker.broken:
                self._read_chunks(file.chunks)
        except BatchError as error:
            damage = (Finding(None, (), 0, error.reason),)
        broken = (*damage, *self._checker.findings())
        if broken:
            return Checked(self._checker.rows, broken, profile=self._profile(), reference=self._reference)
        return self._whole()

    def _read_chunks(self, chunks: Iterator[pa.RecordBatch]) -> None:
        import pyarrow as pa

        with ExitStack() as stack:
            writer = None
            for chunk in chunks:
                rows = self._checker.check(chunk)
                self._count(rows)
                if self._checker.broken:
                    continue
                writer = writer or stack.enter_context(pa.ipc.new_file(self._spool, rows.schema))
                writer.write_batch(rows)
                self._fingerprint += Fingerprint.of(rows)
                self._repeats.add(row_hashes(rows))

    def _count(self, rows: pa.RecordBatch) -> None:
        from recipes.profile import Counter, bins_of

        # Without a champion the first chunk says which bins to show.
        self._counter = self._counter or Counter(bins_of(self._recipe, rows))
        self._counter.add(rows)

    def _profile(self) -> Profile | None:
        return self._counter.profile() if self._counter else None

    def _whole(self) -> Checked:
        from recipes.shift import compare

        rows, quality, profile = self._checker.rows, self._recipe.quality, self._profile()
        shifts = compare(self._reference, profile, quality) if self._reference and profile else []
        return Checked(
            rows,
            (),
            tuple(self._odd()),
            tuple(shift.finding(rows, quality.min_psi) for shift in shifts if shift.alarm),
            tuple(shifts),
            profile,
            self._reference,
            self._champion,
            str(self._fingerprint),
            self._spool,
        )

    def _odd(self) -> list[Finding]:
        from recipes.findings import Finding, Findings

        rows, quality, found = self._checker.rows, self._recipe.quality, Findings()
        if rows < quality.min_rows:
            found.add(Finding(None, (), 0, f"has {rows} rows, fewer than the {quality.min_rows} of a batch"))
        repeated = self._repeats.count()
        if repeated >= quality.max_repeated * rows:
            share = f"{repeated} of {rows} rows repeat an earlier one (limit {quality.max_repeated:.0%})"
            found.mark(None, self._repeats.mask(), 0, share)
        return found.sorted(())
