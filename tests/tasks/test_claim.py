from __future__ import annotations

import socket

import pytest

from platforms.errors import ConflictError
from platforms.platform import Platform
from tasks import claim
from tasks.run import locked


def test_a_free_platform_is_claimed_and_kept(platform: Platform) -> None:
    claim.require()
    owner = platform.lock.owner(claim.NAME)
    claim.require()
    assert owner is not None
    assert platform.lock.owner(claim.NAME) == owner


def test_another_installation_may_not_act_until_it_takes_over(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim.require()
    ours = platform.lock.owner(claim.NAME)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(claim, "_me", lambda: "b0b on their-machine")
        with (
            pytest.raises(ConflictError, match=rf"installation {ours}: .*--take-over"),
            locked("diabetes", "release"),
        ):
            pytest.fail("the platform is not theirs")
        assert platform.lock.owner("diabetes/release") is None
        claim.take_over()
        with locked("diabetes", "release"):
            pass
    with pytest.raises(ConflictError, match="b0b on their-machine"):
        claim.require()


def test_the_same_installation_may_move_to_another_machine(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim.require()
    monkeypatch.setattr(socket, "gethostname", lambda: "new-machine")
    claim.require()


def test_a_take_over_whose_answer_is_lost_counts(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    platform.lock.swap(claim.NAME, None, "b0b on their-machine")
    swap = platform.lock.swap
    with monkeypatch.context() as lossy:
        lossy.setattr(platform.lock, "swap", lambda *given: swap(*given) and False)
        claim.take_over()
    claim.require()
