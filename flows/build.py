"""Check the code and the recipes' samples, and publish the deployments if all is well."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from recipes import catalog
from tasks import checking, publishing, revision
from tasks.archive import archived

NAME = "build"


@flow(name=NAME, flow_run_name=lambda: revision.version() or "no checkout")
def build(tests: str = checking.UNIT_TESTS, coverage: float = checking.COVERAGE, publish: bool = True) -> State:
    """Check style, types, unit tests and every recipe's sample at once, each with an artifact; then publish.

    Ends `Published`, with the git commit as version of every deployment; `Passed` if `publish` is off; or `Failed`,
    with every failing check and its last lines, and nothing published.

    `tests` is what `pytest` runs; `coverage` is the percentage that these tests must reach.
    """
    with archived(NAME):
        version = revision.version()
        server = publishing.server_url() if publish else None
        checks = {
            command.name: checking.run_command.submit(command) for command in checking.commands(tests, coverage)
        }
        checks |= {f"sample of {name}": checking.check_sample.submit(name) for name in catalog.names()}
        if failed := checking.failures(checks):
            told = "\n".join(f"{name}: {message}" for name, message in failed.items())
            return Failed(message=f"{len(failed)} of {len(checks)} checks failed, nothing is published\n{told}")
        if server is None:
            return Completed(name="Passed", message=f"{len(checks)} checks passed at {version}")
        if revision.version() != version:
            return Failed(message=f"the code was {version} and is {revision.version()} now: build again")
        publishing.publish(catalog.names(), server, version)
        return Completed(name="Published", message=f"deployments of {', '.join(catalog.names())} at {version}")


if __name__ == "__main__":
    import sys

    ended = build(return_state=True)
    print(f"{ended.name}: {ended.message}")
    sys.exit(not ended.is_completed())
