from __future__ import annotations

from itertools import chain

import numpy as np
import pandas as pd

from scoring_service.schema import Feature
from tests.recipes import flats
from training import matrix, probes

FRAME = pd.DataFrame({"x": [0.25, 4.0, 9.5], "n": [1, 3, 7], "t": ["red", "blue", "red"], "b": [True, False, True]})
ANY = [Feature("x", "number"), Feature("n", "integer"), Feature("t", "string"), Feature("b", "boolean")]


def asked(name: str, declared: list[Feature] | None = None, frame: pd.DataFrame = FRAME) -> set[object]:
    """The values of a column that no row of the frame has."""
    found = chain(*(rows.frame[name].dropna() for rows in probes.of(frame, declared or ())))
    return set(found) - set(frame[name])


def limited(name: str, limited: Feature) -> set[object]:
    return asked(name, [limited if each.name == name else each for each in ANY])


def test_rows_are_the_same_each_time() -> None:
    for one, two in zip(probes.of(FRAME), probes.of(FRAME), strict=True):
        assert one.told == two.told
        pd.testing.assert_frame_equal(one.frame, two.frame)


def test_values_are_mixed_within_their_columns() -> None:
    mixed = probes.of(FRAME)[0].frame
    assert all(set(mixed[name]) == set(FRAME[name]) for name in FRAME)
    assert len(mixed.drop_duplicates()) > len(FRAME)


def test_columns_keep_their_kinds_and_every_row_is_told() -> None:
    for rows in probes.of(flats.rows().drop(columns="rent")):
        assert matrix.kinds(rows.frame) == ("number", "integer", "boolean", "string", "string")
        assert len(rows.told) == len(rows.frame)


def test_numbers_beside_those_of_the_column_are_asked_for() -> None:
    near = {0.75, 4.5, 10.0, -0.5, -0.75, 10.5}
    spacing = {value + side * float(np.spacing(np.float32(value))) for value in FRAME["x"] for side in (-1, 1)}
    assert asked("x") == {*near, *spacing, 1e300, -1e300}


def test_integers_are_whole_and_no_larger_than_models_get_them() -> None:
    assert asked("n") == {0, 2, 4, 6, 8, 2**53, -(2**53)}


def test_a_column_beyond_single_precision_is_asked_for_what_does_not_fit_it() -> None:
    assert 2**24 + 1 in asked("n", frame=FRAME.assign(n=[1, 2, 2**25]))


def test_an_unknown_text_is_asked_for_where_there_can_be_one() -> None:
    assert asked("t") == {"\ufffd never seen"}
    assert limited("t", Feature("t", "string", values=("red", "green"))) == {"green"}


def test_truth_values_have_no_others() -> None:
    assert asked("b") == set()


def test_nothing_is_asked_for_that_the_schema_refuses() -> None:
    assert limited("x", Feature("x", "number", minimum=0, maximum=10)) <= {0, 0.75, 4.5, 10} | asked("x")
    assert all(0 <= value <= 10 for value in limited("x", Feature("x", "number", minimum=0, maximum=10)))  # type: ignore[operator]  # numbers
    assert limited("n", Feature("n", "integer", minimum=1.5, maximum=7)) == {2, 4, 6}
    assert limited("n", Feature("n", "integer", values=(1.0, 5.0, 9.0), maximum=8)) == {5}


def test_rows_lack_each_nullable_feature_and_all_of_them() -> None:
    declared = [Feature(name, "number", nullable=name != "c") for name in "abc"]
    *_, lacking = probes.of(pd.DataFrame(np.eye(3), columns=list("abc")), declared)
    assert dict.fromkeys(lacking.told) == dict.fromkeys(
        ["rows without 'a' are", "rows without 'b' are", "rows without any nullable feature are"]
    )
    assert lacking.frame.isna().sum().tolist() == [6, 6, 0]


def test_a_column_without_any_value_is_asked_for_some() -> None:
    frame = pd.DataFrame({"x": [np.nan, np.nan]})
    assert 0.5 in asked("x", [Feature("x", "number", nullable=True)], frame)
