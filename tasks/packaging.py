"""The scoring image: a content-addressed folder that is also a valid OCI build context.

Everything that decides what the image answers is inside and hashed: model, schema, service code and exact
dependencies. What differs between two uses of one image (model version, digest, keys) reaches it by environment.
"""

from __future__ import annotations

import hashlib
import json
import platform as python_platform
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import Final

from packaging.requirements import Requirement
from prefect import task

from platforms.pins import pins
from platforms.selection import current
from platforms.settings import ROOT
from platforms.values import Image, ModelVersion
from tasks import facts
from tasks.run import run_logger
from tasks.shipper_context import copy_shipper
from training import outputs

SERVICE: Final = ROOT / "scoring_service"
TEMPLATES: Final = ROOT / "deployments" / "image"
MANIFEST: Final = "manifest.json"
SERVICE_PACKAGES: Final = ("httptools", "msgspec", "numpy", "uvloop")
"""What the service itself imports; the model's form names the rest in the job's result."""


@task
def build_image(model: ModelVersion, anew: bool = False) -> Image:
    """The image by which the model version was in production last, if it is still there.

    Otherwise, or `anew`, one with the schema, service and packages of now, which is built once per digest.
    """
    platform = current()
    served = facts.image_in_production(model)
    if served and not anew and platform.images.exists(served):
        run_logger().info("%s %d is released by the image of before, %s", model.recipe, model.version, served.name)
        return served
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder) / "context"
        assemble(context, model.recipe, platform.registry.outputs(model.recipe, model.version))
        return platform.images.build(context, model.recipe, model.version, run_logger().info)


def assemble(context: Path, recipe: str, job_outputs: Path) -> None:
    """Write the build context of a training job's model into the new folder `context`."""
    from recipes import catalog
    from recipes.serving_schema import serving_schema

    shutil.copytree(job_outputs / outputs.PORTABLE, context / "model")
    shutil.copytree(SERVICE, context / "scoring_service", ignore=shutil.ignore_patterns("__pycache__"))
    result = json.loads((job_outputs / outputs.RESULT).read_text())
    schema = serving_schema(catalog.load(recipe), result.get("nullable", ()))
    (context / "schema.json").write_text(json.dumps(schema, indent=2) + "\n")
    _write_environment(context, result["requirements"])
    (context / "requirements-shipper.txt").write_text(_requirements(pins(copy_shipper(context))))
    (context / MANIFEST).write_text(json.dumps({"files": _digests(context)}, indent=2, sort_keys=True) + "\n")


def _write_environment(context: Path, model_requirements: Iterable[str]) -> None:
    exact = pins([*SERVICE_PACKAGES, *(Requirement(line).name for line in model_requirements)])
    values = {
        "python": python_platform.python_version(),
        "python_minor": ".".join(python_platform.python_version_tuple()[:2]),
        "pip": "\n".join(f"      - {pin}" for pin in exact),
    }
    (context / "requirements.txt").write_text(_requirements(exact))
    for name in ("conda.yaml", "Dockerfile"):
        (context / name).write_text(Template((TEMPLATES / name).read_text()).substitute(values))


def _requirements(exact: Iterable[str]) -> str:
    return "".join(f"{pin}\n" for pin in exact)


def _digests(context: Path) -> dict[str, str]:
    files = sorted(file for file in context.rglob("*") if file.is_file())
    return {str(file.relative_to(context)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
