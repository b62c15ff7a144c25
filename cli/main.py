"""Entry point of `ridgeline`: the list of commands, each imported only when it is used."""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "up": ("cli.services", "Start everything and bring the endpoints back."),
    "down": ("cli.services", "Stop everything that runs below this clone."),
    "status": ("cli.services", "Show services and endpoints."),
    "demo": ("cli.demo", "Run the main job from first data to production, in a state of its own."),
    "provision": ("cli.provision", "Create what the platform needs, once; --plan shows it first."),
    "deploy": ("cli.deploy", "Create or update the Prefect deployments of every recipe."),
    "ingest": ("cli.ingest", "Land a file of rows, and follow what it causes."),
    "data": ("cli.data", "Show a recipe's table and its batches."),
    "key": ("cli.key", "Print an API key of an endpoint, for a shell."),
    "doctor": ("cli.doctor", "Check the installation and say what to do; changes nothing."),
    "history": ("cli.history", "Print the journal of a recipe."),
    "log": ("cli.log", "Write a recipe's request log to a Parquet file."),
    "mlflow": ("cli.mlflow", "Show training runs and model versions in the MLflow UI."),
    "listen": ("cli.listen", "Start a validation for each arriving file; a service that `up` starts."),
}
"""Name of each command: the module that has a function of that name, and its line in `--help`."""


class LazyGroup(click.Group):
    """A group that knows its commands' names and help, and nothing else of them."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; settings that cannot be are told by their variables."""
        try:
            return super().invoke(ctx)
        except ValueError as error:
            if not (told := _wrong_settings(error)):
                raise
            raise click.ClickException(told) from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command; None if there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name][0]}.{cmd_name} is not a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _wrong_settings(error: ValueError) -> str:
    """What is wrong with which variable; nothing if the error is of something else."""
    from pydantic import ValidationError

    # The title of our settings is the prefix of their variables.
    if not isinstance(error, ValidationError) or not error.title.startswith("RIDGELINE_"):
        return ""
    found = [(error.title + str(problem["loc"][0]).upper(), problem["msg"]) for problem in error.errors()]
    return "\n".join(f"{name} in .env or the environment: {told}; see docs/reference.md" for name, told in found)


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Retrain, compare, register, release and watch models, on one machine or on Azure.

    What Prefect's own command line offers is not repeated here: `prefect deployment run`, `prefect flow-run logs` and
    the others work in the clone as they are.
    """


if __name__ == "__main__":
    main(prog_name="ridgeline")
