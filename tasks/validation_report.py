"""What a validation found: as JSON that stays beside the batch, and as table and plot for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tasks.inspection import Checked
from tasks.quality import Outcome
from tasks.run import run_id

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from recipes.profile import ColumnProfile, Profile

PANELS: Final = 12
ACROSS: Final = 4


def as_json(recipe: str, checked: Checked, outcome: Outcome) -> dict[str, object]:
    """The whole report; every number in it is finite."""
    return {
        "recipe": recipe,
        "state": outcome.state,
        "reason": outcome.reason,
        "rows": outcome.rows,
        "dataset_version": outcome.version,
        "fingerprint": checked.fingerprint,
        "champion": checked.champion,
        "run": run_id(),
        "time": datetime.now(UTC).isoformat(),
        "findings": [{**asdict(finding), "message": str(finding)} for finding in outcome.findings],
        "shifts": [asdict(shift) for shift in checked.shifts],
        "profile": checked.profile.to_json() if checked.profile else None,
        "reference": checked.reference.to_json() if checked.reference else None,
    }


def findings_table(outcome: Outcome) -> list[dict[str, Any]]:
    """One line for each broken rule."""
    return [
        {"column": found.column or "", "rule": found.rule, "rows": found.count, "first": list(found.rows)}
        for found in outcome.findings
    ]


def columns_table(checked: Checked) -> list[dict[str, Any]]:
    """One line for each column: range, missing values, and its tests against the champion's profile."""
    return list(_lines(checked, checked.profile)) if checked.profile else []


def plot(checked: Checked, profile: Profile) -> Figure:
    """Each column's histogram, beside the champion's if there is one; the most shifted columns first.

    All panels are drawn into one axes: a dozen axes of their own take two seconds to lay out.
    """
    from matplotlib.figure import Figure

    shifts = {shift.column: shift.psi for shift in checked.shifts}
    shown = sorted(profile.columns.values(), key=lambda column: -shifts.get(column.name, 0.0))[:PANELS]
    lines = max(1, -(-len(shown) // ACROSS))
    figure = Figure(figsize=(10, 2 * lines + 0.3))
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.98), xlim=(0, ACROSS), ylim=(-lines, 0.15))
    axes.set_axis_off()
    for place, column in enumerate(shown):
        known = checked.reference.columns.get(column.name) if checked.reference else None
        _draw(axes, place, column, known, shifts.get(column.name))
    axes.legend(*_once(axes), loc="upper right", ncols=2, fontsize="small", borderaxespad=0.0)
    return figure


def _lines(checked: Checked, profile: Profile) -> Iterator[dict[str, Any]]:
    for name, column in profile.columns.items():
        tests = [shift for shift in checked.shifts if shift.column == name]
        yield {
            "column": name,
            "minimum": column.minimum,
            "maximum": column.maximum,
            "missing": f"{column.missing_rate:.1%}",
            "PSI": ", ".join(f"{test.psi:.3f}" for test in tests),
            "chance": ", ".join(f"{test.p:.2g}" for test in tests),
            "shifted": "yes" if any(test.alarm for test in tests) else "no" if tests else "no champion yet",
        }


def _draw(axes: Axes, place: int, column: ColumnProfile, known: ColumnProfile | None, psi: float | None) -> None:
    """One panel, a unit square with its top left corner at column and line of its place."""
    left, bottom = place % ACROSS, -(place // ACROSS) - 1.0
    pairs: list[tuple[list[float], dict[str, Any]]]
    pairs = [(_shares(column), {"fill": True, "color": "tab:blue", "alpha": 0.7, "label": "batch"})]
    if known:
        pairs.append((_shares(known), {"color": "black", "linewidth": 1.2, "label": "champion's data"}))
    highest = max(max(shares, default=0.0) for shares, _ in pairs) or 1.0
    for shares, look in pairs:
        edges = [left + 0.05 + 0.9 * edge / max(len(shares), 1) for edge in range(len(shares) + 1)]
        axes.stairs([bottom + 0.75 * share / highest for share in shares], edges, baseline=bottom, **look)
    title = f"{column.name}, up to {highest:.0%}" + ("" if psi is None else f", PSI {psi:.2f}")
    # A column may have dollars in its name, which are no formula.
    axes.text(left + 0.5, bottom + 0.8, title, fontsize="small", horizontalalignment="center", parse_math=False)


def _once(axes: Axes) -> tuple[list[Any], list[str]]:
    """Handles and labels for a legend that names each look once."""
    handles, labels = axes.get_legend_handles_labels()
    found = dict(zip(labels, handles, strict=True))
    return list(found.values()), list(found)


def _shares(column: ColumnProfile) -> list[float]:
    return [count / max(column.present, 1) for count in column.counts]


def outcome_of(report: Mapping[str, Any]) -> Outcome:
    """The outcome that a kept report tells, without its findings."""
    return Outcome(report["state"], report["rows"], (), report["reason"], report["dataset_version"])
