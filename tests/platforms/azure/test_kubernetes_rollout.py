from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest

from platforms.azure.kubernetes_objects import Objects
from platforms.azure.kubernetes_rollout import Rollout
from platforms.errors import NotReadyError, NotStartedError, PlatformError
from platforms.values import EndpointSpec
from tests.platforms.azure.aks_bench import AksBench
from tests.platforms.azure.endpoint_bench import Load
from tests.waiting import wait_for


class Silent:
    """Objects of a cluster that tells nothing of its pods."""

    def list(self, *of: object, **selectors: str) -> list[object]:
        return []

    def logs(self, *of: object) -> str:
        return ""


def test_a_second_apply_changes_nothing_and_a_new_image_replaces_one_after_the_other(
    aks_pair: AksBench,
) -> None:
    status = aks_pair.endpoints.apply(aks_pair.spec(1))
    before = aks_pair.versions()
    assert aks_pair.endpoints.apply(aks_pair.spec(1)) == status
    assert aks_pair.versions() == before
    with Load(aks_pair, status) as load:
        changed = aks_pair.endpoints.apply(aks_pair.spec(2))
        wait_for(lambda: 2.0 in load.answers)
    assert changed.url == status.url
    assert aks_pair.predict(changed) == 2.0
    assert set(load.answers) == {1.0, 2.0}
    assert load.errors == []


def test_an_image_that_does_not_start_is_undone_and_told_with_events_and_last_lines(aks_pair: AksBench) -> None:
    before = aks_pair.endpoints.apply(aks_pair.spec(1))
    told = rf"(?s){aks_pair.recipe}:1 still serves.*BackOff.*model/weights.json has sha256"
    with Load(aks_pair, before) as load, pytest.raises(NotReadyError, match=told) as raised:
        aks_pair.endpoints.apply(aks_pair.broken(2))
    assert not isinstance(raised.value, NotStartedError)
    assert aks_pair.endpoints.status(aks_pair.recipe, "prod") == before
    assert load.errors == []
    assert set(load.answers) == {1.0}
    assert aks_pair.predict(aks_pair.endpoints.apply(aks_pair.spec(3))) == 3.0


@pytest.mark.parametrize(("code", "blamed"), [(1, True), (78, False)])
def test_who_ends_for_its_surroundings_is_not_to_blame(code: int, blamed: bool) -> None:
    ended = {"terminated": {"exitCode": code}}
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    parts = {"name": "scoring", "ready": False, "restartCount": 3, "state": waiting, "lastState": ended}
    pod = {"metadata": {"name": "p"}, "status": {"containerStatuses": [parts]}}
    with pytest.raises(NotReadyError, match="pod p: scoring ended 4 times") as raised:
        Rollout(cast(Objects, Silent()), "n", "set", "image")._check([pod], 0.0)
    assert isinstance(raised.value, NotStartedError) is not blamed


@pytest.mark.long
def test_a_replica_that_never_becomes_ready_is_undone_when_its_time_is_over(aks: AksBench) -> None:
    before = aks.endpoints.apply(aks.spec(1))
    aks.settings = aks.settings.model_copy(update={"replica_timeout": 5.0})
    told = r"(?s):1 still serves.*of 1 replicas 1 have the new image and 0 are ready in 5 s.*waiting for nothing"
    with pytest.raises(NotReadyError, match=told) as raised:
        aks.forcing().apply(aks.hanging(2))
    assert not isinstance(raised.value, NotStartedError)
    assert aks.predict(before) == 1.0


@pytest.mark.long
def test_after_a_killed_apply_it_is_still_known_what_served(aks: AksBench) -> None:
    before = aks.endpoints.apply(aks.spec(1))
    aks.endpoints._tracks.apply(aks.missing(2), "stable", 1)
    wait_for(lambda: aks.ready() == 0)
    status = aks.endpoints.status(aks.recipe, "prod")
    assert status is not None
    assert (status.image, status.ready) == (before.image, False)
    with pytest.raises(NotReadyError, match=":1 still serves"):
        aks.endpoints.apply(aks.missing(2))
    assert aks.predict(before) == 1.0


@pytest.mark.long
def test_after_a_killed_apply_nothing_is_ready_until_what_served_is_applied_again(aks_pair: AksBench) -> None:
    before = aks_pair.endpoints.apply(aks_pair.spec(1))
    aks_pair.endpoints._tracks.apply(aks_pair.missing(2), "stable", 2)
    wait_for(lambda: aks_pair.waiting("ImagePullBackOff"))
    status = aks_pair.endpoints.status(aks_pair.recipe, "prod")
    assert status is not None
    assert (aks_pair.ready(), status.image, status.ready) == (1, before.image, False)
    assert aks_pair.endpoints.apply(aks_pair.spec(1)) == before
    assert aks_pair.endpoints.status(aks_pair.recipe, "prod") == before


def test_an_image_that_cannot_be_pulled_leaves_nothing_if_nothing_served(aks: AksBench) -> None:
    with pytest.raises(NotStartedError, match=r"(?s)nothing serves.*Failed to pull image .*: not found"):
        aks.endpoints.apply(aks.missing(1))
    assert aks.endpoints.status(aks.recipe, "prod") is None
    assert aks.pods() == []


@pytest.mark.long
def test_a_registry_that_is_gone_for_a_while_only_delays(aks: AksBench) -> None:
    spec, patient = aks.spec(1), aks.changed(pull_timeout=20.0)
    with aks.unreachable(spec, lambda: aks.waiting("ImagePullBackOff")):
        assert aks.predict(patient.apply(spec)) == 1.0


def test_pods_that_never_run_in_time_are_no_verdict_on_their_image(aks: AksBench) -> None:
    patient = aks.changed(pull_timeout=60.0, replica_timeout=2.0)
    with pytest.raises(NotStartedError, match=r"nothing serves: .* 0 are ready in 2 s"):
        patient.apply(aks.missing(1))


@pytest.mark.long
def test_what_goes_wrong_when_it_is_undone_hides_nothing(aks: AksBench) -> None:
    def fail(*of: object) -> None:
        raise PlatformError("no connection")

    aks.endpoints.apply(aks.spec(1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aks.endpoints._tracks, "delete_stuck", fail)
        with pytest.raises(
            NotReadyError, match=r"(?s):1 did not come back \(no connection\).*weights.json has sha256"
        ):
            aks.endpoints.apply(aks.broken(2))


def test_watches_that_break_off_delay_nothing_for_long(aks: AksBench) -> None:
    aks.cluster.api.drop_watches_after = 0.05
    try:
        assert aks.predict(aks.endpoints.apply(aks.spec(1))) == 1.0
    finally:
        aks.cluster.api.drop_watches_after = None


@pytest.mark.long
def test_of_two_applies_at_once_one_wins_and_the_other_is_told(aks: AksBench) -> None:
    aks.endpoints.apply(aks.spec(1))
    specs = [aks.spec(2), aks.spec(3)]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda spec: outcome(aks, spec), specs))
    status = aks.endpoints.status(aks.recipe, "prod")
    assert status is not None
    assert aks.predict(status) == status.model_version
    assert status.model_version in results


def outcome(aks: AksBench, spec: EndpointSpec) -> int | None:
    """The version that an apply brought about, None if another one overtook it."""
    try:
        return aks.endpoints.apply(spec).model_version
    except NotStartedError:
        return None
