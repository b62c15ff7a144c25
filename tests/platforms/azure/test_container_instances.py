from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.mgmt.containerinstance.models import ContainerGroup
from pydantic import SecretStr

from platforms.azure.container_group import dns_label
from platforms.azure.container_instances import ContainerInstances, is_to_blame
from platforms.azure.settings import AzureSettings
from platforms.errors import NotReadyError, NotStartedError, PlatformError
from platforms.values import EndpointSpec, Image
from tests.emulator.container_groups import Group, Groups
from tests.emulator.faults import PASSING, Fault
from tests.emulator.runtime import Runtime
from tests.emulator.world import World
from tests.platforms.azure.endpoint_bench import Bench
from tests.scoring_service.contexts import NAMES
from tests.waiting import wait_for


class AciBench(Bench):
    """The same on Container Instances."""

    def __init__(self, world: World, settings: AzureSettings, folder: Path, recipe: str) -> None:
        super().__init__(world, settings, folder, recipe)
        self.name = f"scoring-{recipe}-qa"
        self.id = f"{world.group_id}/providers/Microsoft.ContainerInstance/containerGroups/{self.name}"
        self.endpoints = self.changed()

    def changed(self, **changes: object) -> ContainerInstances:
        """Endpoints with other settings."""
        settings = self.settings.model_copy(update=changes)
        return ContainerInstances(settings, self.secrets, self.locate)

    def group(self) -> Group:
        """The group as it runs."""
        found = self.world.part(Groups).find(self.id)
        assert found is not None
        return found

    def process(self) -> int | None:
        """The process of the service."""
        return self.group().containers["scoring"].pid


@pytest.fixture
def bench(world: World, passing: AzureSettings, tmp_path: Path, recipe_of_test: str) -> Iterator[AciBench]:
    made = AciBench(world, passing.model_copy(update={"poll_seconds": 0.02}), tmp_path, recipe_of_test)
    yield made
    made.endpoints.withdraw(made.recipe, "qa")


def test_applied_means_served_and_a_second_apply_changes_nothing(bench: AciBench) -> None:
    assert bench.endpoints.status(bench.recipe, "qa") is None
    status = bench.endpoints.apply(bench.spec(1, "qa"))
    assert bench.endpoints.status(bench.recipe, "qa") == status
    assert bench.predict(status) == 1.0
    process = bench.process()
    assert bench.endpoints.apply(bench.spec(1, "qa")) == status
    assert bench.process() == process
    changed = bench.endpoints.apply(bench.spec(2, "qa"))
    assert (changed.url, bench.predict(changed)) == (status.url, 2.0)


def test_settings_that_changed_are_missed_and_reach_the_group_with_the_next_apply(
    bench: AciBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not bench.endpoints.is_applied(bench.spec(1, "qa"))
    bench.endpoints.apply(bench.spec(1, "qa"))
    assert bench.endpoints.is_applied(bench.spec(1, "qa"))
    assert not bench.endpoints.is_applied(bench.spec(2, "qa"))
    monkeypatch.setenv("SCORING_LOG_REDACT", NAMES[0])
    assert not bench.endpoints.is_applied(bench.spec(1, "qa"))
    bench.endpoints.apply(bench.spec(1, "qa"))
    assert bench.endpoints.is_applied(bench.spec(1, "qa"))
    variables = bench.group().properties["containers"][0]["properties"]["environmentVariables"]
    assert {"name": "SCORING_LOG_REDACT", "value": NAMES[0]} in variables


@pytest.mark.long
def test_a_setting_that_the_service_would_not_take_is_told_before_anything_changes(
    bench: AciBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = bench.endpoints.apply(bench.spec(1, "qa"))
    process = bench.process()
    monkeypatch.setenv("SCORING_LOG_FAILURE", "hope")
    for version in (1, 2):
        with pytest.raises(PlatformError, match=r"SCORING_LOG_FAILURE.*'hope'.*mend it in the environment"):
            bench.endpoints.apply(bench.spec(version, "qa"))
    assert (bench.process(), bench.predict(status)) == (process, 1.0)


@pytest.mark.long
def test_an_image_that_does_not_start_is_undone_and_told_with_events_and_last_lines(bench: AciBench) -> None:
    before = bench.endpoints.apply(bench.spec(1, "qa"))
    told = rf"(?s){bench.recipe}:1 still serves.*Killing.*model/weights.json has sha256"
    with pytest.raises(NotReadyError, match=told) as raised:
        bench.endpoints.apply(bench.broken(2, "qa"))
    assert not isinstance(raised.value, NotStartedError)
    assert bench.endpoints.status(bench.recipe, "qa") == before
    assert bench.predict(before) == 1.0


@pytest.mark.parametrize(("code", "blamed"), [(1, True), (78, False)])
def test_who_ends_for_its_surroundings_is_not_to_blame(code: int, blamed: bool) -> None:
    ended, waiting = ({"state": state, "exitCode": code} for state in ("Terminated", "Waiting"))
    view = {"restartCount": 3, "currentState": waiting, "previousState": ended}
    parts = {"name": "scoring", "properties": {"image": "i", "instanceView": view}}
    group = ContainerGroup.deserialize({"properties": {"provisioningState": "Succeeded", "containers": [parts]}})
    assert is_to_blame(group) is blamed


def test_an_image_that_cannot_be_pulled_leaves_nothing_if_nothing_served(bench: AciBench) -> None:
    with pytest.raises(
        NotStartedError, match=r"nothing serves: The image '.*' in container group .* is not accessible"
    ):
        bench.endpoints.apply(bench.missing(1, "qa"))
    assert bench.endpoints.status(bench.recipe, "qa") is None


def test_a_registry_that_is_gone_for_a_while_only_delays(bench: AciBench, world: World) -> None:
    spec, refusals = bench.spec(1, "qa"), Fault("slow", path=f"/containerGroups/{bench.name}$", methods="PUT")
    with world.faults.on(refusals), bench.unreachable(spec, lambda: refusals.hits):
        assert bench.predict(bench.changed(pull_timeout=20.0).apply(spec)) == 1.0


@pytest.mark.long
def test_containers_that_never_start_are_told_and_deleted(bench: AciBench, world: World) -> None:
    told = pytest.raises(
        NotStartedError, match=r"it did not end \(deletion .* 1 s .*it took over 1 s\n.*:\nthere are none yet"
    )
    with world.faults.slow_operations(4.0), told:
        bench.changed(replica_timeout=1.0).apply(bench.spec(1, "qa"))
    wait_for(lambda: bench.endpoints.status(bench.recipe, "qa") is None)


def test_a_deletion_that_does_not_end_in_time_is_told(bench: AciBench, world: World) -> None:
    bench.endpoints.apply(bench.spec(1, "qa"))
    told = pytest.raises(PlatformError, match=r"deletion .* still goes on after 0.02 s \(RIDGELINE_AZURE_REPLICA_")
    with world.faults.slow_operations(0.5), told:
        bench.changed(replica_timeout=0.02).withdraw(bench.recipe, "qa")


@pytest.mark.long
def test_what_goes_wrong_when_it_is_undone_hides_nothing(bench: AciBench) -> None:
    def fail(*of: object) -> None:
        raise PlatformError("no connection")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench.endpoints, "withdraw", fail)
        with pytest.raises(NotReadyError, match=r"(?s)did not end \(no connection\).*model/weights.json has sha256"):
            bench.endpoints.apply(bench.broken(1, "qa"))


def test_keys_are_nowhere_but_in_the_secure_volume(bench: AciBench) -> None:
    status = bench.endpoints.apply(bench.spec(1, "qa"))
    key = bench.secrets.get(status.key_secret).split()[1]
    assert key not in json.dumps(bench.world.resources.get(bench.id).document)
    volumes = bench.group().properties["volumes"]
    assert [volume["name"] for volume in volumes if "secret" in volume] == ["keys"]


def test_after_an_exchange_of_keys_an_apply_is_due_and_lets_only_the_new_one_in(bench: AciBench) -> None:
    old = bench.endpoints.apply(bench.spec(1, "qa"))
    key = bench.secrets.get(old.key_secret).split()[1]
    bench.exchange(old, "second new-key\n")
    assert not bench.endpoints.is_applied(bench.spec(1, "qa"))
    new = bench.endpoints.apply(bench.spec(1, "qa"))
    assert bench.endpoints.is_applied(bench.spec(1, "qa"))
    assert [bench.answer(new, each) for each in ("new-key", key)] == [200, 401]


def test_the_shipper_runs_beside_the_service_and_sees_its_log(bench: AciBench) -> None:
    endpoints = bench.changed(ship_logs=True)
    status = endpoints.apply(bench.with_shipper(1, "qa"))
    assert bench.predict(status) == 1.0
    log = bench.world.part(Runtime).folder / "groups" / bench.name / "volumes" / "log"
    assert json.loads((log / "start.json").read_text())["environment"]["SHIPPER_LOG_DIR"] == str(log / "requests")
    assert list((log / "requests").glob("requests-*"))
    endpoints.withdraw(bench.recipe, "qa")
    assert bench.world.part(Groups).find(bench.id) is None


@pytest.mark.long
def test_a_killed_container_comes_back(bench: AciBench) -> None:
    status = bench.endpoints.apply(bench.spec(1, "qa"))
    killed = bench.process()
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: bench.process() not in (None, killed))
    assert bench.predict(status) == 1.0


def test_after_the_tests_a_group_is_kept_stopped_or_deleted(bench: AciBench, world: World) -> None:
    status = bench.endpoints.apply(bench.spec(1, "qa"))
    assert not bench.endpoints.rest(bench.recipe, "qa")
    assert bench.predict(status) == 1.0
    faults = [Fault(kind, f"{bench.name}/stop") for kind in PASSING]
    with world.faults.on(*faults):
        assert bench.changed(qa_after_tests="stop").rest(bench.recipe, "qa")
    assert [fault.hits for fault in faults] == [1, 1, 1, 1]
    stopped = bench.endpoints.status(bench.recipe, "qa")
    assert stopped is not None
    assert (stopped.ready, stopped.image) == (False, status.image)
    assert bench.predict(bench.endpoints.apply(bench.spec(1, "qa"))) == 1.0
    assert bench.changed(qa_after_tests="delete").rest(bench.recipe, "qa")
    assert bench.endpoints.status(bench.recipe, "qa") is None
    assert bench.changed(qa_after_tests="delete").rest(bench.recipe, "qa")


def test_every_recipe_has_a_dns_name_of_its_own_that_fits(bench: AciBench) -> None:
    specs = [EndpointSpec("r" * 36 + last, "qa", Image("r:1", "d"), 1) for last in "ab"]
    labels = [dns_label(spec, bench.settings) for spec in specs]
    assert len(set(labels)) == 2
    assert all(re.fullmatch("[a-z][a-z0-9-]{1,61}[a-z0-9]", label) for label in labels)
    named = bench.settings.model_copy(update={"qa_dns_suffix": "contoso"})
    assert dns_label(specs[0], named) == f"scoring-{'r' * 36}a-qa-contoso"


@pytest.mark.long
def test_other_resources_need_a_new_group(bench: AciBench) -> None:
    bench.endpoints.apply(bench.spec(1, "qa"))
    status = bench.changed(qa_cpu=2.0).apply(bench.spec(2, "qa"))
    assert bench.predict(status) == 2.0
    asked = bench.group().properties["containers"][0]["properties"]["resources"]["requests"]
    assert asked["cpu"] == 2.0


def test_a_log_share_needs_the_account_key_and_shows_it_nowhere(bench: AciBench) -> None:
    with pytest.raises(PlatformError, match="RIDGELINE_AZURE_STORAGE_CONNECTION_STRING"):
        bench.changed(qa_log_share="logs").apply(bench.spec(1, "qa"))
    connection = SecretStr("AccountName=a;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net")
    shared = bench.changed(qa_log_share="logs", storage_connection_string=connection)
    status = shared.apply(bench.spec(1, "qa"))
    assert bench.predict(status) == 1.0
    assert "c2VjcmV0" not in json.dumps(bench.world.resources.get(bench.id).document)
    users = [each["properties"]["securityContext"]["runAsUser"] for each in bench.group().properties["containers"]]
    assert users == [0]


def test_slow_and_throttled_operations_only_take_longer(bench: AciBench, world: World) -> None:
    faults = [Fault(kind, path="/containerGroups/", times=1) for kind in PASSING]
    with world.faults.slow_operations(0.3), world.faults.on(*faults):
        assert bench.predict(bench.endpoints.apply(bench.spec(1, "qa"))) == 1.0
    assert [fault.hits for fault in faults] == [1, 1, 1, 1]
