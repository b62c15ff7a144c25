"""What people and other systems are told: artifacts in the Prefect UI, events, and telemetry."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from prefect import task
from prefect.artifacts import create_image_artifact, create_markdown_artifact, create_table_artifact
from prefect.events import emit_event
from prefect.utilities.urls import url_for

from platforms.selection import current
from platforms.values import Blob, DatasetVersion, EndpointStatus, ModelVersion, Parameter
from tasks import validation_report
from tasks.evaluation import Comparison, Verdict, numbers
from tasks.inspection import Checked
from tasks.quality import Outcome
from tasks.training import Candidate
from training import outputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@task
def announce_data(data: DatasetVersion) -> None:
    """Tell that a batch was accepted: the event that starts a retrain."""
    payload: dict[str, Parameter] = {"recipe": data.recipe, "dataset_version": data.version}
    _emit("ridgeline.data.accepted", data.recipe, payload)


@task
def announce_model(model: ModelVersion) -> None:
    """Tell that a model version was registered: the event that starts its release."""
    payload: dict[str, Parameter] = {"recipe": model.recipe, "model_version": model.version}
    _emit("ridgeline.model.registered", model.recipe, payload)


def _emit(name: str, recipe: str, payload: Mapping[str, Parameter]) -> None:
    resource = {"prefect.resource.id": f"ridgeline.recipe.{recipe}", "prefect.resource.name": recipe}
    emit_event(name, resource=resource, payload=dict(payload))
    current().telemetry.emit(name, payload)


@task
def report_validation(recipe: str, blob: Blob, checked: Checked, outcome: Outcome) -> None:
    """Show what a validation found: the broken rules, a line for each column, and the histograms.

    Telemetry hears of a batch that was not accepted; `announce_data` tells of the others.
    """
    description = f"**{outcome.state}** `{blob.path}`: {outcome.reason}"
    if outcome.findings:
        table = validation_report.findings_table(outcome)
        create_table_artifact(table, key=_key(recipe, "quarantine"), description=description)
    if checked.profile:
        table = validation_report.columns_table(checked)
        create_table_artifact(table, key=_key(recipe, "validation"), description=description)
        plot = data_uri(_png(validation_report.plot(checked, checked.profile)))
        create_image_artifact(plot, key=_key(recipe, "validation-plot"), description=description)
    if outcome.state != "Accepted":
        fields: dict[str, Parameter] = {"recipe": recipe, "path": blob.path, "rows": outcome.rows}
        current().telemetry.emit(f"ridgeline.data.{outcome.state.lower()}", fields)


@task
def report_training(candidate: Candidate) -> None:
    """Show the job's own plots, and what it took and cost."""
    recipe = candidate.job.recipe
    if candidate.usage:
        table = [{"what": name, "value": value} for name, value in candidate.usage.tags().items()]
        create_table_artifact(table, key=_key(recipe, "job"), description=f"what `{candidate.job.name}` took")
        fields: dict[str, Parameter] = {"recipe": recipe, "node_seconds": candidate.usage.node_seconds}
        current().telemetry.emit("ridgeline.trained", fields)
    for plot in sorted((candidate.outputs / outputs.PLOTS).glob("*.png")):
        create_image_artifact(
            data_uri(plot.read_bytes()), key=_key(recipe, plot.stem), description=f"{plot.stem} on the holdout"
        )


@task
def report_verdict(recipe: str, verdict: Verdict) -> None:
    """Show the gate's numbers as a table and its interval as a plot."""
    table = [{"field": field, "value": str(value)} for field, value in numbers(verdict).items()]
    description = f"**{verdict.decision}**: {verdict.reason}"
    create_table_artifact(table, key=_key(recipe, "verdict"), description=description)
    if verdict.comparison:
        plot = data_uri(_png(_interval_plot(verdict, verdict.comparison)))
        create_image_artifact(plot, key=_key(recipe, "verdict-plot"), description=description)
    fields: dict[str, Parameter] = {"recipe": recipe, "decision": verdict.decision, "candidate": verdict.candidate}
    current().telemetry.emit("ridgeline.verdict", fields)


@task
def report_model(model: ModelVersion, candidate: Candidate) -> None:
    """Show where the model version and the job that made it are found."""
    registry = current().registry.url(model.recipe, model.version)
    lines = [f"# {model.recipe} {model.version} is registered", ""]
    lines += [f"- [model version {model.version}]({registry}) in the registry"]
    lines += [f"- [training job {candidate.job.name}]({candidate.page}) in its history"]
    lines += [f"- trained on dataset version {candidate.job.dataset_version}"]
    create_markdown_artifact("\n".join(lines), key=_key(model.recipe, "model"))


@task
def report_release(model: ModelVersion, served: Sequence[EndpointStatus]) -> None:
    """Show where the model version answers now, with a curl line for each endpoint."""
    registry = current().registry.url(model.recipe, model.version)
    lines = [f"# {model.recipe} {model.version} is in production", ""]
    lines += [f"- **{at.environment}** [{at.url}]({at.url}/docs) serves `{at.image.name}`" for at in served]
    trained = _run_url(model.tags["flow_run"])
    lines += [f"- trained by [this run]({trained}) on dataset version {model.tags['dataset_version']}"]
    lines += [f"- [model version {model.version}]({registry}) in the registry"]
    create_markdown_artifact("\n".join(lines), key=_key(model.recipe, "release"))
    current().telemetry.emit("ridgeline.released", {"recipe": model.recipe, "model_version": model.version})


def _key(recipe: str, what: str) -> str:
    """The key of an artifact, in which Prefect takes no underscore; the name of a recipe may have some."""
    return f"{recipe}-{what}".replace("_", "-")


def _run_url(flow_run: str) -> str:
    return url_for("flow-run", flow_run) or flow_run


def data_uri(png: bytes) -> str:
    """A PNG as the data URI that the Prefect UI renders."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _interval_plot(verdict: Verdict, compared: Comparison) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 2.1), layout="constrained")
    axes = figure.subplots()
    axes.axvline(verdict.min_improvement, color="0.5", linestyle="--", label="must exceed")
    if compared.lower_bound is not None and compared.upper_bound is not None:
        axes.plot([compared.lower_bound, compared.upper_bound], [0, 0], color="tab:blue", linewidth=3)
        axes.plot([compared.lower_bound], [0], marker="|", markersize=18, color="tab:blue", label="lower bound")
    axes.plot([compared.improvement], [0], marker="o", color="tab:blue", label="mean improvement")
    axes.set(yticks=[], title=verdict.decision)
    axes.set_xlabel(f"champion {verdict.metric} - candidate {verdict.metric}", parse_math=False)
    figure.legend(loc="outside lower center", ncols=3, fontsize="small")
    return figure


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
