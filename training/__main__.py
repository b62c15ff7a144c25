"""Train a recipe on a pinned dataset version: read, split, fit, evaluate, write."""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from training import arguments
from training.errors import TrainingError, UsageError

if TYPE_CHECKING:
    from recipes.recipe import Recipe

log = logging.getLogger("training")


def main(argv: list[str]) -> int:
    """Run the job; returns the exit code: 0 done, 1 failed, 2 asked for something that the recipe does not have."""
    layout = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format=layout)
    asked = arguments.read(argv)
    # One thread adds numbers in one order, so that equal inputs give equal bytes.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        _run(asked)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    except TrainingError as error:
        if error.__cause__:
            traceback.print_exception(error.__cause__, file=sys.stdout)
        log.error("%s", error)
        return 1
    return 0


def _run(asked: arguments.Arguments) -> None:
    from training import fit, results, table

    started = datetime.now(UTC)
    clock = time.monotonic()
    recipe = _recipe(asked.recipe)
    parameters = arguments.parameters(recipe, asked.parameters)
    results.begin(asked.out)
    rows = table.read(recipe, asked.table, asked.dataset_version)
    log.info("recipe %s: version %d has %d rows", recipe.name, asked.dataset_version, len(rows))
    fitted = fit.fit(recipe, rows, parameters)
    if fitted.superseded:
        keys = ", ".join(recipe.entity_key)
        log.info("%d rows have a later one of the same entity (%s) and are left out", fitted.superseded, keys)
    log.info("fitted on %d rows with %s", fitted.rows_train, dict(parameters))
    measured = fit.metrics(recipe, fitted)
    log.info("on %d holdout rows: %s", len(fitted.holdout), measured)
    form = results.write(asked.out, recipe, fitted, measured)
    results.write_profile(asked.out, recipe, rows)
    log.info("the model serves as %s%s", form.form, "".join(f"; not as {reason}" for reason in form.passed_over))
    facts = {
        "recipe": recipe.name,
        "dataset_version": asked.dataset_version,
        "parameters": dict(parameters),
        "code": {name: value for name, _, value in (text.partition("=") for text in asked.code)},
        "metrics": measured,
        "started": started.isoformat(),
        "seconds": round(time.monotonic() - clock, 3),
    }
    results.finish(asked.out, recipe, fitted, form, facts)
    log.info("done: %s", asked.out)


def _recipe(name: str) -> Recipe:
    from recipes import catalog
    from recipes.recipe import RecipeError

    try:
        return catalog.load(name)
    except RecipeError as error:
        raise UsageError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
