from __future__ import annotations

from tests.emulator.addresses import Addresses


def test_no_address_is_handed_out_twice() -> None:
    addresses = Addresses()
    assert len({addresses.take() for _ in range(600)}) == 600
