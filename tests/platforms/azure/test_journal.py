from __future__ import annotations

import uuid

import pytest

from platforms.azure import clients
from platforms.azure.journal import JournalBlobs
from platforms.azure.settings import AzureSettings
from platforms.azure.texts import Texts
from platforms.errors import PlatformError
from platforms.journal import HashedJournal
from platforms.protocols import Journal
from tests.emulator.faults import Fault
from tests.emulator.world import World
from tests.platforms.contracts.journal import JournalContract


@pytest.fixture
def texts(azure: AzureSettings) -> Texts:
    return Texts(clients.container(azure), f"journal/{uuid.uuid4()}")


@pytest.fixture
def journal(texts: Texts) -> HashedJournal:
    return HashedJournal(JournalBlobs(texts))


class TestBlobJournal(JournalContract):
    @pytest.mark.long
    def test_whatever_is_written_keeps_the_chain(self, journal: Journal) -> None:
        super().test_whatever_is_written_keeps_the_chain(journal)


def test_tampering_names_the_entry_and_the_blob(journal: HashedJournal, texts: Texts) -> None:
    for number in range(2):
        journal.append("r", "promote", reason=f"reason {number}", flow_run=f"f{number}")
    seen = texts.read("r.jsonl")
    assert texts.replace("r.jsonl", seen, seen.content.replace(b"reason 0", b"reason X"))
    with pytest.raises(PlatformError, match=r"^entry 1 of the journal https://.*/r\.jsonl"):
        journal.entries("r")


def test_an_entry_whose_answer_is_lost_is_there_once(journal: HashedJournal, world: World) -> None:
    with world.faults.on(Fault("drop-answer", "/journal/", "PUT")):
        sealed = journal.append("r", "promote", reason="", flow_run="f")
    assert journal.entries("r") == [sealed]
