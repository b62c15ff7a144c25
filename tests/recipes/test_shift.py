from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from recipes import catalog, shift
from recipes.profile import Counter, Profile, known_bins
from recipes.recipe import Quality
from recipes.shift import Shift
from tests.recipes import examples

DIABETES = catalog.load("diabetes")
SEED = DIABETES.seed_data()
SIZES = [40, 120, 322, 1000]


def chunk(frame: pd.DataFrame) -> pa.RecordBatch:
    return pa.RecordBatch.from_pandas(frame, preserve_index=False)


def compared(reference: Profile, frame: pd.DataFrame) -> list[Shift]:
    counter = Counter(known_bins(DIABETES, reference))
    counter.add(chunk(frame))
    return shift.compare(reference, counter.profile(), DIABETES.quality)


def alarms(reference: Profile, frame: pd.DataFrame) -> set[str]:
    return {test.column for test in compared(reference, frame) if test.alarm}


def drawn(rows: int, generator: np.random.Generator) -> pd.DataFrame:
    return SEED.iloc[generator.integers(0, len(SEED), rows)]


WHOLE = Profile.of(DIABETES, chunk(SEED))


@pytest.mark.parametrize("rows", SIZES)
def test_honest_batches_of_any_size_pass(rows: int) -> None:
    generator = np.random.default_rng(rows)
    assert sum(bool(alarms(WHOLE, drawn(rows, generator))) for _ in range(30)) == 0


@pytest.mark.long
@pytest.mark.parametrize("known", [120, 442])
@pytest.mark.parametrize("rows", SIZES)
def test_honest_batches_are_refused_no_oftener_than_stated(rows: int, known: int) -> None:
    """References and batches are drawn anew each time. A rate of 0.001 gives four of 500 in one of 600 samples."""
    generator = np.random.default_rng(rows + known)
    refused = 0
    for _ in range(500):
        reference = Profile.of(DIABETES, chunk(drawn(known, generator)))
        refused += bool(alarms(reference, drawn(rows, generator)))
    assert refused < 4


@pytest.mark.parametrize("column", ["bmi", *(pytest.param(name, marks=pytest.mark.long) for name in ("s5", "Y"))])
def test_a_mean_that_moved_by_one_deviation_is_caught_in_forty_rows(column: str) -> None:
    generator = np.random.default_rng(40)
    moved = SEED[column].std()
    caught = sum(
        alarms(WHOLE, frame.assign(**{column: frame[column] + moved})) == {column}
        for frame in (drawn(40, generator) for _ in range(12))
    )
    assert caught >= 11


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values * 3,
        pytest.param(lambda values: values * 0, marks=pytest.mark.long),
        pytest.param(lambda values: values.where(np.arange(len(values)) % 2 == 0, 0.0), marks=pytest.mark.long),
        pytest.param(lambda values: values + 0.2, marks=pytest.mark.long),
        pytest.param(lambda values: -values.abs(), marks=pytest.mark.long),
    ],
)
def test_other_changes_are_caught_too(change: Callable[[pd.Series], pd.Series]) -> None:
    assert "s2" in alarms(WHOLE, SEED[:120].assign(s2=change(SEED["s2"][:120])))


def test_the_parts_of_the_demo_pass_with_a_margin() -> None:
    first = Profile.of(DIABETES, chunk(SEED[:120]))
    found = compared(first, SEED[120:])
    assert min(test.p / test.limit for test in found) > 100


@pytest.mark.long
def test_a_tiny_shift_of_a_large_batch_is_harmless() -> None:
    generator = np.random.default_rng(3)
    recipe = examples.recipe()
    rows = pd.DataFrame(generator.uniform(0, 1, (40_000, 3)), columns=["a", "b", "y"])
    reference = Profile.of(recipe, chunk(rows[:20_000]))
    batch = rows[20_000:].assign(a=rows["a"] * 0.97)
    counter = Counter(known_bins(recipe, reference))
    counter.add(chunk(batch))
    found = {test.column: test for test in shift.compare(reference, counter.profile(), Quality())}
    assert 0 < found["a"].psi < 0.1
    assert not found["a"].alarm
    strict = {test.column: test for test in shift.compare(reference, counter.profile(), Quality(min_psi=0.0))}
    assert strict["a"].alarm
    assert not strict["b"].alarm


def test_missing_values_that_were_never_missing_are_a_shift() -> None:
    holed = SEED[:40].assign(bp=SEED["bp"].where(SEED.index >= 12))
    found = {(test.column, test.what): test for test in compared(WHOLE, holed)}
    assert found["bp", "the share of missing values"].alarm
    assert not found["bp", "the distribution"].alarm
    assert len(found) == 12


def test_an_alarm_tells_index_chance_and_limits() -> None:
    [alarm] = [test for test in compared(WHOLE, SEED[:40].assign(bmi=SEED["bmi"] + 0.1)) if test.alarm]
    text = str(alarm.finding(40, 0.1))
    assert text.startswith("column 'bmi': the distribution has shifted against the champion's data: PSI ")
    assert text.endswith("(limit 9e-05); all 40 rows")


def test_chance_agrees_with_the_exact_beta_binomial() -> None:
    """Of two bins both statistics order the counts alike, so the p-value is twice a sum of known chances."""
    from scipy.stats import betabinom

    alphas = shift.alphas_of((50, 50))
    index = [shift.psi(alphas, (count, 40 - count)) for count in range(41)]
    for count in (20, 26, 30, 33):
        exact = sum(betabinom.pmf(other, 40, *alphas) for other in range(41) if index[other] >= index[count] - 1e-12)
        assert shift.chance(alphas, (count, 40 - count)) == pytest.approx(min(2 * exact, 1.0), rel=0.25)


@pytest.mark.long
def test_chance_goes_on_beyond_what_was_played() -> None:
    alphas = shift.alphas_of((40,) * 10)
    values = [shift.chance(alphas, (40 + more, *(40,) * 9)) for more in (0, 40, 60, 80, 160)]
    assert values == sorted(values, reverse=True)
    assert 0 <= values[-1] < 1e-9
    assert shift.chance(alphas, (0,) * 10) == 1.0
