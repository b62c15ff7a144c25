from __future__ import annotations

from pathlib import Path

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, VotingRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from scoring_service.model import load_model
from tests.training.test_portable import FEATURES, TARGET, write
from training import matrix, nested


def jobs(estimator: object) -> list[int]:
    """How many workers each part asks for that has a say in it."""
    return [vars(part)["n_jobs"] for part in nested.parts(estimator) if "n_jobs" in vars(part)]


def test_every_part_is_found_once() -> None:
    search = GridSearchCV(make_pipeline(StandardScaler(), VotingRegressor([("r", Ridge())])), {}, cv=2)
    search.fit(FEATURES, TARGET)
    found = [part for part in nested.parts([search, {"again": search}]) if isinstance(part, Ridge)]
    fitted = search.best_estimator_.steps[1][1]
    assert len(found) == len(set(map(id, found)))
    assert {id(fitted.estimators_[0]), id(fitted.estimators[0][1])} <= set(map(id, found))


def test_parts_of_skipped_types_stay_out() -> None:
    pipeline = make_pipeline(StandardScaler(), VotingRegressor([("r", Ridge())]))
    kinds = [type(part) for part in nested.parts(pipeline, (VotingRegressor,))]
    assert set(kinds) == {Pipeline, StandardScaler}


def test_a_copy_is_serial_and_the_estimator_stays_as_it_is() -> None:
    scaled = ColumnTransformer([("all", StandardScaler(), ["a", "b"])])
    model = make_pipeline(scaled, RandomForestClassifier(2, random_state=0)).fit(FEATURES, TARGET > 1)
    model[0].n_jobs = model[1].n_jobs = model[1].estimators_[0].n_jobs = 2
    copied = nested.serial(model)
    assert (jobs(copied), jobs(model)) == ([1, 1, 1], [2, 2, 2])


def test_what_serves_predicts_without_a_pool_of_workers(tmp_path: Path) -> None:
    estimator = make_pipeline(StandardScaler(), RandomForestClassifier(2, n_jobs=2, random_state=0))
    found, expected = write(tmp_path, estimator, target=(TARGET > 1) * 1.0)
    model = load_model(tmp_path, ["a", "b"])
    restored = model._estimator  # type: ignore[attr-defined]  # a skops model
    assert (found.form, jobs(restored), jobs(estimator)) == ("skops", [1], [2])
    assert list(model.predict(matrix.rows(FEATURES))) == list(expected)
