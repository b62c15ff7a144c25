from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from platforms.protocols import Lock


class LockContract:
    """Needs a fixture `lock` that starts empty."""

    def test_a_lock_goes_from_hand_to_hand(self, lock: Lock) -> None:
        assert lock.owner("release/r") is None
        assert lock.swap("release/r", None, "f1")
        assert lock.owner("release/r") == "f1"
        assert not lock.swap("release/r", None, "f2")
        assert not lock.swap("release/r", "f2", "f3")
        assert lock.swap("release/r", "f1", "f2")
        assert lock.swap("release/r", "f2", None)
        assert lock.owner("release/r") is None

    def test_locks_with_other_names_are_other_locks(self, lock: Lock) -> None:
        assert lock.swap("a/b", None, "f1")
        assert lock.swap("a b", None, "f2")
        assert lock.swap("a", None, "f3")
        assert (lock.owner("a/b"), lock.owner("a b"), lock.owner("a")) == ("f1", "f2", "f3")

    def test_of_racers_one_wins(self, lock: Lock) -> None:
        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(lambda n: lock.swap("r", None, str(n)), range(16)))
        assert sum(won) == 1
        assert lock.owner("r") == str(won.index(True))
