"""What a replica of the scoring service on Azure sees in its environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from platforms.azure.log_shipper import LOG_DIR
from platforms.azure.settings import AzureSettings
from platforms.values import EndpointSpec

PORT: Final = 8080
"""Where the service listens, in the templates too."""
KEYS_FOLDER: Final = "/etc/scoring/keys"
"""Where the keys are mounted, in the templates too."""
COLLECTOR: Final = "SCORING_OTLP_ENDPOINT"


def service_environment(spec: EndpointSpec, settings: AzureSettings, handed: Mapping[str, str]) -> dict[str, str]:
    """Variables of the service: what the installation hands on (`platforms.scoring_settings`), and our own."""
    spans = collector(settings, handed)
    return {
        **handed,
        **({COLLECTOR: spans} if spans else {}),
        "SCORING_HOST": "0.0.0.0",
        "SCORING_PORT": str(PORT),
        "SCORING_KEYS_FILE": f"{KEYS_FOLDER}/keys",
        "SCORING_MODEL_VERSION": str(spec.model_version),
        "SCORING_IMAGE_DIGEST": spec.image.digest,
        "SCORING_ENVIRONMENT": spec.environment,
        "SCORING_LOG_DIR": LOG_DIR,
        "SCORING_DRAIN_SECONDS": f"{settings.drain_timeout:g}",
    }


def collector(settings: AzureSettings, handed: Mapping[str, str]) -> str:
    """Where spans go, nothing if they go nowhere; the platform's setting comes first."""
    return settings.otlp_endpoint or handed.get(COLLECTOR, "")
