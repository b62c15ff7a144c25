from __future__ import annotations

import pytest

from platforms.azure import manifests
from platforms.errors import NotReadyError, PlatformError
from tests.emulator.faults import Fault
from tests.emulator.world import World
from tests.platforms.azure.aks_bench import AksBench
from tests.waiting import wait_for


def test_a_canary_serves_beside_stable_and_the_autoscaler_waits(aks: AksBench) -> None:
    status = aks.endpoints.apply(aks.spec(1))
    aks.scale("stable", 2)
    aks.endpoints.try_canary(aks.spec(2), 1)
    assert aks.limits() == (2, 2)
    assert len(aks.pods()) == 3
    wait_for(lambda: {aks.predict(status) for _ in range(4)} == {1.0, 2.0})
    assert aks.endpoints.status(aks.recipe, "prod") == status
    aks.endpoints.end_canary(aks.spec(1))
    assert aks.limits() == (1, 6)
    assert {aks.predict(status) for _ in range(4)} == {1.0}
    assert aks.replicas("stable") == 2


@pytest.mark.long
def test_a_canary_that_does_not_start_is_gone_again(aks: AksBench) -> None:
    status = aks.endpoints.apply(aks.spec(1))
    with pytest.raises(NotReadyError, match=r"(?s)canary .* is gone again.*weights.json"):
        aks.endpoints.try_canary(aks.broken(2), 1)
    assert (aks.limits(), len(aks.pods())) == ((1, 6), 1)
    assert aks.predict(status) == 1.0


@pytest.mark.long
def test_a_canary_whose_autoscaler_cannot_be_held_is_gone_again(aks: AksBench, world: World) -> None:
    aks.endpoints.apply(aks.spec(1))
    refused = Fault("error", path="/horizontalpodautoscalers/", methods="PATCH", status=400)
    with world.faults.on(refused), pytest.raises(PlatformError, match=r"canary .* is gone again: .*400"):
        aks.endpoints.try_canary(aks.spec(2), 1)
    assert (refused.hits, aks.replicas("canary"), len(aks.pods())) == (1, 0, 1)


@pytest.mark.long
def test_an_apply_ends_the_canary_of_another_image_only(aks: AksBench) -> None:
    status = aks.endpoints.apply(aks.spec(1))
    aks.endpoints.try_canary(aks.spec(2), 1)
    aks.endpoints.apply(aks.spec(2))
    assert aks.replicas("canary") == 1
    aks.endpoints.apply(aks.spec(3))
    assert (aks.replicas("canary"), aks.limits(), len(aks.pods())) == (0, (1, 6), 1)
    assert {aks.predict(status) for _ in range(4)} == {3.0}


def test_an_apply_leaves_the_number_of_replicas_to_the_autoscaler(aks: AksBench) -> None:
    aks.endpoints.apply(aks.spec(1))
    aks.scale("stable", 2)
    aks.endpoints.apply(aks.spec(2))
    assert (aks.replicas("stable"), aks.replicas("canary")) == (2, 0)


def test_a_number_that_a_killed_apply_still_owns_is_handed_over(aks: AksBench) -> None:
    spec = aks.spec(1)
    manifest = manifests.stateful_set(spec, aks.settings, "ridgeline", "canary", aks.locate(spec.image), {})
    aks.endpoints._apply_shared(spec)
    aks.objects.apply(manifest | {"spec": manifest["spec"] | {"replicas": 0}})
    aks.endpoints._tracks.apply(spec, "canary", 0)
    assert aks.replicas("canary") == 0
