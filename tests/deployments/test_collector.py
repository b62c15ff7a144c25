"""The collector's files agree with one another and with the service; no collector is run here."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from platforms.azure.settings import AzureSettings
from platforms.settings import ROOT
from tests import kubernetes_schemas

FOLDER = ROOT / "deployments" / "otel"
TEXT = (FOLDER / "collector.yaml").read_text()
CONFIG: dict[str, Any] = yaml.safe_load(TEXT)
MANIFESTS: list[dict[str, Any]] = list(yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text()))
ENDPOINT = re.search(r"RIDGELINE_AZURE_(OTLP_ENDPOINT)=(\S+)", (FOLDER / "kubernetes.yaml").read_text())


def manifest(kind: str) -> dict[str, Any]:
    [found] = [document for document in MANIFESTS if document["kind"] == kind]
    return found


@pytest.mark.parametrize("part", ["receivers", "processors", "exporters"])
def test_pipelines_use_what_is_declared_and_all_of_it(part: str) -> None:
    used = {name for pipeline in CONFIG["service"]["pipelines"].values() for name in pipeline[part]}
    assert used == set(CONFIG[part])


def test_the_connection_string_comes_from_the_environment_alone() -> None:
    name = "APPLICATIONINSIGHTS_CONNECTION_STRING"
    assert CONFIG["exporters"]["azuremonitor"] == {"connection_string": f"${{env:{name}}}"}
    container = manifest("Deployment")["spec"]["template"]["spec"]["containers"][0]
    [variable] = container["env"]
    assert (variable["name"], set(variable["valueFrom"])) == (name, {"secretKeyRef"})
    assert "InstrumentationKey=" not in TEXT


@pytest.mark.parametrize("version", kubernetes_schemas.VERSIONS)
@pytest.mark.parametrize("document", MANIFESTS, ids=lambda document: document["kind"])
def test_manifests_keep_the_schemas_of_kubernetes(document: dict[str, Any], version: str) -> None:
    kubernetes_schemas.validate(document, version)


def test_a_wrong_manifest_is_refused() -> None:
    wrong = {"ports": [{"port": "otlp"}]}, {"ports": [{"port": 80}], "prots": []}
    for spec in wrong:
        with pytest.raises(kubernetes_schemas.ValidationError):
            kubernetes_schemas.validate({**manifest("Service"), "spec": spec}, "1.30")


def test_ports_meet() -> None:
    container = manifest("Deployment")["spec"]["template"]["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert CONFIG["receivers"]["otlp"]["protocols"]["http"]["endpoint"] == f"0.0.0.0:{ports['otlp']}"
    assert CONFIG["extensions"]["health_check"]["endpoint"] == f"0.0.0.0:{ports['health']}"
    assert container["readinessProbe"]["httpGet"]["port"] == "health"
    assert ENDPOINT
    assert ENDPOINT[1].lower() in AzureSettings.model_fields
    service, url = manifest("Service"), urlsplit(ENDPOINT[2])
    assert (service["metadata"]["name"], service["spec"]["ports"][0]["port"]) == (url.hostname, url.port)


def test_the_scraped_pods_are_those_of_the_endpoints() -> None:
    """What the scrape asks for stands in the endpoints' template."""
    pods = yaml.safe_load((ROOT / "deployments" / "aks" / "stateful-set.yaml").read_text())["spec"]["template"]
    labels = {rule.get("source_labels", [""])[0]: rule.get("regex") for rule in scrape()["relabel_configs"]}
    assert (
        labels["__meta_kubernetes_pod_annotation_prometheus_io_scrape"]
        == (pods["metadata"]["annotations"]["prometheus.io/scrape"])
    )
    assert labels["__meta_kubernetes_pod_container_port_name"] == pods["spec"]["containers"][0]["ports"][0]["name"]


def scrape() -> dict[str, Any]:
    [found] = CONFIG["receivers"]["prometheus"]["config"]["scrape_configs"]
    job: dict[str, Any] = found
    return job
