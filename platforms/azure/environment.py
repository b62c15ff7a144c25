"""What training jobs run in: an Azure ML environment of exactly the packages that are locked here.

Its version is the digest of what it is made of, so a changed lock or base image is another version, and Azure ML
builds each image once.
"""

from __future__ import annotations

import hashlib
import json
import platform as python_platform
from functools import cache
from string import Template
from typing import TYPE_CHECKING, Any, Final

import yaml

from platforms.azure.settings import AzureSettings
from platforms.pins import pins
from platforms.settings import ROOT

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

NAME: Final = "ridgeline-training"
TEMPLATE: Final = ROOT / "deployments" / "training" / "conda.yaml"
IMAGES: Final = {
    "cpu": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest",
    "gpu": "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.8-cudnn8-ubuntu22.04:latest",
}
PACKAGES: Final = (
    "deltalake",
    "matplotlib",
    "mlflow",
    "onnxruntime",
    "pandas",
    "pandera",
    "pyarrow",
    "scikit-learn",
    "skl2onnx",
    "skops",
)
"""What `training` and `recipes` import; everything that these need comes along."""


def ensure(client: MLClient, settings: AzureSettings) -> str:
    """Make the environment unless it exists; returns `<name>:<version>`."""
    from azure.ai.ml.entities import Environment
    from azure.core.exceptions import ResourceNotFoundError

    image, packages = settings.training_image or IMAGES[settings.hardware], conda()
    version = hashlib.sha256(json.dumps([image, packages], sort_keys=True).encode()).hexdigest()[:12]
    try:
        client.environments.get(NAME, version)
    except ResourceNotFoundError:
        made = Environment(name=NAME, version=version, image=image, conda_file=packages)
        client.environments.create_or_update(made)
    return f"{NAME}:{version}"


@cache
def conda() -> dict[str, Any]:
    """The conda file with this Python and all packages at the versions that are installed here."""
    values = {
        "python": python_platform.python_version(),
        "pip": "\n".join(f"      - {pin}" for pin in pins(PACKAGES)),
    }
    found: dict[str, Any] = yaml.safe_load(Template(TEMPLATE.read_text()).substitute(values))
    return found
