from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platforms.errors import PlatformError
from platforms.protocols import Journal

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
DETAILS = st.dictionaries(
    TEXT, st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)


class JournalContract:
    """Needs a fixture `journal` that starts empty."""

    def test_entries_come_back_as_they_were_sealed(self, journal: Journal) -> None:
        first = journal.append("r", "promote", reason="better", flow_run="f1", model_version=3, details={"mse": 1.5})
        second = journal.append("r", "release", reason="ok", flow_run="f2", model_version=3, environment="prod")
        assert journal.entries("r") == [first, second]
        assert (first.sequence, second.sequence) == (1, 2)
        assert first.previous == "0" * 64
        assert second.previous == first.hash
        assert first.details == {"mse": 1.5}
        assert first.time.tzinfo is not None
        assert journal.entries("other") == []

    def test_a_flow_run_records_a_decision_once(self, journal: Journal) -> None:
        first = journal.append("r", "promote", reason="better", flow_run="f1", model_version=3)
        assert journal.append("r", "promote", reason="again", flow_run="f1", model_version=3) == first
        journal.append("r", "promote", reason="better", flow_run="f2", model_version=3)
        journal.append("r", "promote", reason="better", flow_run="f1", model_version=4)
        journal.append("r", "promote", reason="better", flow_run="f1", model_version=3, environment="qa")
        assert len(journal.entries("r")) == 4

    def test_racing_writers_make_one_chain(self, journal: Journal) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: journal.append("r", "a", reason="", flow_run=str(n % 8)), range(16)))
        assert [entry.sequence for entry in journal.entries("r")] == list(range(1, 9))

    def test_details_that_are_no_json_are_refused(self, journal: Journal) -> None:
        for details in ({"x": float("nan")}, {"x": object()}):
            with pytest.raises(PlatformError, match="must be JSON"):
                journal.append("r", "a", reason="", flow_run="f", details=details)
        assert journal.entries("r") == []

    @settings(
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors], max_examples=25
    )
    @given(reason=TEXT, flow_run=TEXT, details=DETAILS)
    def test_whatever_is_written_keeps_the_chain(
        self, journal: Journal, reason: str, flow_run: str, details: dict[str, object]
    ) -> None:
        sealed = journal.append("r", "a", reason=reason, flow_run=flow_run, details=details)
        entries = journal.entries("r")
        assert sealed in entries
        assert [entry.previous for entry in entries[1:]] == [entry.hash for entry in entries[:-1]]
