"""Take the pictures of the docs from running services: `make demo KEEP=1 && python -m scripts.screenshots`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey, FlowFilter, FlowFilterName
from prefect.client.schemas.sorting import ArtifactSort, FlowRunSort

from platforms.settings import ROOT, Settings
from scripts.browser import Page, browser

FOLDER: Final = ROOT / "docs" / "images"
DRAWN: Final = 2.0
"""Seconds until animations are over once the text is there."""


def newest_run(flow: str) -> str:
    """The id of a flow's newest run that has begun; scheduled ones lie in the future."""
    with get_client(sync_client=True) as client:
        named = FlowFilter(name=FlowFilterName(any_=[flow]))
        runs = client.read_flow_runs(flow_filter=named, sort=FlowRunSort.START_TIME_DESC)
        return str(next(run.id for run in runs if run.start_time))


def dashboard(page: Page, url: str, file: Path) -> None:
    """The first page that a person sees."""
    page.open(f"{url}/dashboard")
    page.wait_for("Polled")
    time.sleep(DRAWN)
    page.picture(file)


def retrain_run(page: Page, url: str, file: Path) -> None:
    """A retrain with its tasks and end state."""
    page.open(f"{url}/runs/flow-run/{newest_run('retrain')}")
    page.wait_for("Worker 'ridgeline' submitting")
    time.sleep(DRAWN)
    page.picture(file)


def artifact(page: Page, url: str, file: Path, key: str) -> None:
    """The newest artifact of a key."""
    with get_client(sync_client=True) as client:
        known = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        found = client.read_artifacts(artifact_filter=known, sort=ArtifactSort.CREATED_DESC, limit=1)
    page.open(f"{url}/artifacts/artifact/{found[0].id}")
    page.wait_for(str(found[0].id))
    time.sleep(DRAWN)
    page.picture(file)


def main() -> None:
    """Write every picture into docs/images."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    url = Settings().prefect_url
    with browser() as page:
        dashboard(page, url, FOLDER / "dashboard.png")
        retrain_run(page, url, FOLDER / "retrain-run.png")
        artifact(page, url, FOLDER / "verdict.png", "diabetes-verdict-plot")
        artifact(page, url, FOLDER / "validation.png", "diabetes-validation-plot")


if __name__ == "__main__":
    main()
