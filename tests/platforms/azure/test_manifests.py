from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from platforms.azure.endpoint_names import EndpointNames
from platforms.azure.manifests import Scale, shared, stateful_set, variables_of
from platforms.azure.settings import AzureSettings
from platforms.azure.templates import FOLDER, Manifest, fill
from platforms.errors import PlatformError
from platforms.values import EndpointSpec, Image
from tests import kubernetes_schemas

SPEC = EndpointSpec("heart_rate", "prod", Image("heart_rate:7-abc", "d" * 64), 7)
HANDED = {"SCORING_LOG_REDACT": "age", "SCORING_LOG_SAMPLE": "0.5"}
IMAGE = f"registry.azurecr.io/heart_rate@sha256:{'e' * 64}"


@pytest.fixture(scope="module")
def settings() -> AzureSettings:
    return AzureSettings(
        subscription_id="s",
        storage_account="account",
        serving_client_id="client",
        otlp_endpoint="http://collector:4318",
        allowed_ranges=["10.0.0.0/8"],
        ship_logs=True,
        stop_delay=5,
        drain_timeout=10.0,
    )


@pytest.fixture(scope="module")
def manifests(settings: AzureSettings) -> list[Manifest]:
    sets = [stateful_set(SPEC, settings, "ridgeline", track, IMAGE, HANDED) for track in ("stable", "canary")]
    return [*shared(SPEC, settings, "ridgeline", "default key\n", Scale(2, 6), HANDED), *sets]


@pytest.mark.parametrize("version", kubernetes_schemas.VERSIONS)
def test_every_manifest_keeps_the_kubernetes_schema(manifests: list[Manifest], version: str) -> None:
    for manifest in manifests:
        kubernetes_schemas.validate(manifest, version)


def test_every_template_is_used(manifests: list[Manifest]) -> None:
    kinds = {manifest["kind"] for manifest in manifests}
    used = {"NetworkPolicy", "Service", "ServiceAccount", "StatefulSet", "Namespace", "Secret"}
    assert kinds == used | {"HorizontalPodAutoscaler", "PodDisruptionBudget"}
    assert len(list(FOLDER.glob("*.yaml"))) == 9


def test_the_number_of_replicas_is_left_open(manifests: list[Manifest]) -> None:
    for found in of_kind(manifests, "StatefulSet"):
        assert "replicas" not in found["spec"]
        assert found["spec"]["podManagementPolicy"] == "Parallel"


def test_containers_have_no_rights_no_writable_root_limits_and_pinned_images(manifests: list[Manifest]) -> None:
    for container in containers(manifests):
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"]
        assert not security["allowPrivilegeEscalation"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert container["image"] == IMAGE
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    for pod in pods(manifests):
        assert pod["securityContext"]["runAsNonRoot"]
        assert not pod["automountServiceAccountToken"]


def test_a_replica_has_time_to_drain(manifests: list[Manifest], settings: AzureSettings) -> None:
    for pod in pods(manifests):
        service = pod["containers"][0]
        drain = float(environment(service)["SCORING_DRAIN_SECONDS"])
        stop = service["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert (drain, stop) == (settings.drain_timeout, settings.stop_delay)
        assert pod["terminationGracePeriodSeconds"] > drain + stop


def test_keys_are_in_the_secret_and_nowhere_else(manifests: list[Manifest]) -> None:
    (secret,) = of_kind(manifests, "Secret")
    assert base64.b64decode(secret["data"]["keys"]) == b"default key\n"
    rest = [manifest for manifest in manifests if manifest["kind"] != "Secret"]
    assert secret["data"]["keys"] not in repr(rest)
    assert "default key" not in repr(manifests)


def test_settings_reach_the_service_under_its_own_names(manifests: list[Manifest]) -> None:
    from scoring_service.settings import Settings

    for pod in pods(manifests):
        read = Settings.read(environment(pod["containers"][0]))
        assert (read.model_version, read.image_digest, read.environment) == (7, "d" * 64, "prod")
        assert (read.host, read.log_failure, read.otlp_endpoint) == ("0.0.0.0", "refuse", "http://collector:4318")
        assert (read.log_redact, read.log_sample) == ("age", 0.5)
        mounts = [mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]]
        assert any(str(read.log_dir).startswith(path) for path in mounts)
        assert any(read.keys_file.startswith(path) for path in mounts)


def test_nobody_sets_what_the_platform_says_itself(settings: AzureSettings) -> None:
    handed = HANDED | {"SCORING_PORT": "1", "SCORING_OTLP_ENDPOINT": "http://elsewhere"}
    found = variables_of(stateful_set(SPEC, settings, "ridgeline", "stable", IMAGE, handed))
    assert (found["SCORING_PORT"], found["SCORING_OTLP_ENDPOINT"]) == ("8080", "http://collector:4318")


def test_spans_also_go_where_the_service_s_own_setting_says(settings: AzureSettings) -> None:
    silent, handed = settings.model_copy(update={"otlp_endpoint": None}), {"SCORING_OTLP_ENDPOINT": "http://c:4317"}
    found = variables_of(stateful_set(SPEC, silent, "ridgeline", "stable", IMAGE, handed))
    assert found["SCORING_OTLP_ENDPOINT"] == "http://c:4317"
    (policy,) = of_kind(shared(SPEC, silent, "ridgeline", "k", Scale(2, 6), handed), "NetworkPolicy")
    assert [port["port"] for port in policy["spec"]["egress"][1]["ports"]] == [443, 4317]


def test_the_shipper_reads_where_the_service_writes_and_outlives_it(manifests: list[Manifest]) -> None:
    for pod in pods(manifests):
        (sidecar,) = pod["initContainers"]
        assert sidecar["restartPolicy"] == "Always"
        assert environment(sidecar)["SHIPPER_LOG_DIR"] == environment(pod["containers"][0])["SCORING_LOG_DIR"]
        assert environment(sidecar)["RIDGELINE_AZURE_STORAGE_ACCOUNT"] == "account"


def test_without_the_shipper_there_is_no_sidecar(settings: AzureSettings) -> None:
    alone = settings.model_copy(update={"ship_logs": False})
    pod = stateful_set(SPEC, alone, "ridgeline", "stable", IMAGE, HANDED)["spec"]["template"]["spec"]
    assert "initContainers" not in pod


def test_one_service_selects_both_tracks(manifests: list[Manifest]) -> None:
    service = next(each for each in of_kind(manifests, "Service") if each["spec"].get("type") == "LoadBalancer")
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in of_kind(manifests, "StatefulSet")]
    assert len(labels) == 2
    assert all(service["spec"]["selector"].items() <= each.items() for each in labels)
    assert service["spec"]["loadBalancerSourceRanges"] == ["10.0.0.0/8"]


def test_the_network_policy_lets_spans_out(manifests: list[Manifest]) -> None:
    (policy,) = of_kind(manifests, "NetworkPolicy")
    assert [port["port"] for port in policy["spec"]["egress"][1]["ports"]] == [443, 4318]


def test_a_value_cannot_change_the_structure_around_it(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: $value\nb: before-$value\nc: $nothing\nd: [$number]\n")
    evil = "x\nkind: Other"
    assert fill("x", {"value": evil, "nothing": None, "number": 3}, tmp_path) == [
        {"a": evil, "b": f"before-{evil}", "d": [3]}
    ]


def test_a_missing_value_and_a_broken_template_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: $value\n")
    with pytest.raises(PlatformError, match=r"x\.yaml: there is no value for \$value"):
        fill("x", {}, tmp_path)
    (tmp_path / "x.yaml").write_text("a: [\n")
    with pytest.raises(PlatformError, match=r"x\.yaml is no valid template"):
        fill("x", {}, tmp_path)


@pytest.mark.parametrize("recipe", ["Heart", "heart rate", "-heart", "h" * 38, "heart_"])
def test_a_name_that_kubernetes_cannot_take_is_refused(recipe: str) -> None:
    with pytest.raises(PlatformError, match="cannot name an endpoint"):
        EndpointNames.of(recipe)


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def pods(manifests: list[Manifest]) -> list[dict[str, Any]]:
    return [found["spec"]["template"]["spec"] for found in of_kind(manifests, "StatefulSet")]


def containers(manifests: list[Manifest]) -> Iterator[dict[str, Any]]:
    for pod in pods(manifests):
        yield from (*pod["initContainers"], *pod["containers"])


def environment(container: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container["env"]}
