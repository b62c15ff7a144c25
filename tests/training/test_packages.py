from __future__ import annotations

from importlib.metadata import version

from training import packages


def test_modules_of_types_leave_out_python_s_own() -> None:
    found = packages.modules(["lightgbm.sklearn.LGBMRegressor", "collections.OrderedDict", "sklearn.tree._tree.Tree"])
    assert found == {"lightgbm", "sklearn"}


def test_packages_are_pinned_by_what_is_imported_from_them() -> None:
    found = packages.pinned({"sklearn", "mlflow", "numpy", "tests"})
    assert found == tuple(f"{name}=={version(name)}" for name in ("mlflow", "numpy", "scikit-learn"))


def test_modules_without_a_package_are_told() -> None:
    assert packages.homeless(["numpy", "tests", "nowhere"]) == ["nowhere", "tests"]
