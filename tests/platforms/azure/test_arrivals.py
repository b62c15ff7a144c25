from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from azure.core.exceptions import ServiceRequestError

from platforms.azure import clients, events
from platforms.azure.arrivals import QueueArrivals
from platforms.azure.settings import AzureSettings
from platforms.azure.storage import BlobStorage
from platforms.errors import PlatformError
from platforms.protocols import Arrivals, Storage
from platforms.values import Blob, ModelVersion
from tests.emulator.event_grid import BLOB_CREATED, MODEL_REGISTERED, EventGrid, event
from tests.emulator.storage_accounts import Accounts
from tests.emulator.world import World
from tests.platforms.azure.queues import WORKSPACE, account, own_queue, subscribed
from tests.platforms.contracts.arrivals import PATH, ArrivalsContract, Heard
from tests.waiting import wait_for

if TYPE_CHECKING:
    from azure.storage.queue import QueueClient

TRIES = 3
Act = Callable[[Blob | ModelVersion], bool]


@pytest.fixture
def name(world: World) -> str:
    """A queue of this test's own, with one for its poison."""
    return own_queue(world)


@pytest.fixture
def queue(azure: AzureSettings, name: str) -> Iterator[QueueClient]:
    with clients.queue(azure, name) as client:
        yield client


@pytest.fixture
def poison(azure: AzureSettings, name: str) -> Iterator[QueueClient]:
    with clients.queue(azure, f"{name}-poison") as client:
        yield client


@pytest.fixture
def storage(azure: AzureSettings, world: World, name: str) -> Iterator[BlobStorage]:
    """A container of this test's own, whose landing folder Event Grid watches."""
    world.part(Accounts).create_container(name)
    landing = f"/blobServices/default/containers/{name}/blobs/landing/"
    with (
        subscribed(world, account(world), BLOB_CREATED, name, landing),
        clients.container(azure.model_copy(update={"container": name})) as client,
    ):
        yield BlobStorage(client)


@pytest.fixture
def make(queue: QueueClient, poison: QueueClient, storage: Storage, name: str) -> Callable[[int], QueueArrivals]:
    """Arrivals with a visibility of so many seconds."""
    return lambda seconds: QueueArrivals(queue, poison, storage, name, seconds, TRIES)


@pytest.fixture
def arrivals(make: Callable[[int], QueueArrivals]) -> QueueArrivals:
    return make(1)


def failing(error: Exception) -> Act:
    def act(arrival: Blob | ModelVersion) -> bool:
        raise error

    return act


def set_aside(poison: QueueClient) -> dict[str, object]:
    found = poison.receive_message()
    assert found is not None
    content: dict[str, object] = json.loads(found.content)
    return content


def waiting(queue: QueueClient) -> int:
    return int(queue.get_queue_properties().approximate_message_count or 0)


class TestQueueArrivals(ArrivalsContract):
    @pytest.fixture
    def redelivered(self) -> Callable[[], None]:
        """The contract asks until it is told: a message comes back after a second."""
        return lambda: None


def test_a_message_is_deleted_only_when_all_is_done(
    make: Callable[[int], QueueArrivals], storage: Storage, queue: QueueClient
) -> None:
    storage.write(PATH, b"a\n")
    seen: list[int] = []

    def act(arrival: Blob | ModelVersion) -> bool:
        seen.append(waiting(queue))
        return True

    make(30).handle(act)
    assert (seen, waiting(queue)) == ([1], 0)


def test_a_message_stays_invisible_for_as_long_as_it_is_worked_on(
    arrivals: QueueArrivals, storage: Storage, queue: QueueClient
) -> None:
    """Renewed three times while a visibility of one second would have ended twice."""
    storage.write(PATH, b"a\n")
    receipts: set[str] = set()
    renew = queue.update_message

    def counted(*arguments: object, **options: object) -> object:
        made = renew(*arguments, **options)
        receipts.add(made.pop_receipt)
        return made

    def act(arrival: Blob | ModelVersion) -> bool:
        wait_for(lambda: len(receipts) > 5)
        return queue.receive_message() is None

    queue.update_message = counted
    arrivals.handle(act)
    assert waiting(queue) == 0


def test_a_message_that_was_lost_meanwhile_is_no_error(
    arrivals: QueueArrivals, storage: Storage, queue: QueueClient, caplog: pytest.LogCaptureFixture
) -> None:
    storage.write(PATH, b"a\n")

    def act(arrival: Blob | ModelVersion) -> bool:
        queue.clear_messages()
        wait_for(lambda: "cannot be held any longer" in caplog.text)
        return True

    arrivals.handle(act)
    assert "was lost to somebody else" in caplog.text


def test_a_message_that_somebody_else_received_meanwhile_is_theirs(
    arrivals: QueueArrivals, storage: Storage, queue: QueueClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Its receipt is an old one then, which is another refusal than that of a message that is gone."""
    storage.write(PATH, b"a\n")
    queue.update_message = refused

    def act(arrival: Blob | ModelVersion) -> bool:
        wait_for(lambda: queue.receive_message(visibility_timeout=60))
        return True

    arrivals.handle(act)
    assert "was lost to somebody else" in caplog.text
    assert waiting(queue) == 1


def test_a_message_that_cannot_be_deleted_is_told_with_its_queue(
    make: Callable[[int], QueueArrivals], storage: Storage, queue: QueueClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.write(PATH, b"a\n")
    monkeypatch.setattr(queue, "delete_message", refused)
    with pytest.raises(PlatformError, match=f"message .* in queue {queue.queue_name}: no connection"):
        make(30).handle(lambda arrival: True)


def refused(*arguments: object, **options: object) -> None:
    raise ServiceRequestError("no connection")


def test_a_message_whose_worker_dies_comes_back(
    arrivals: QueueArrivals, storage: Storage, queue: QueueClient
) -> None:
    blob = storage.write(PATH, b"a\n")
    assert queue.receive_message(visibility_timeout=1) is not None
    heard = Heard()

    def listen() -> bool:
        arrivals.handle(heard.done)
        return bool(heard.told)

    wait_for(listen)
    assert heard.told == [blob]


def test_what_always_fails_is_set_aside_with_the_reason(
    arrivals: QueueArrivals, storage: Storage, queue: QueueClient, poison: QueueClient
) -> None:
    storage.write(PATH, b"a\n")
    raised = 0

    def try_again() -> bool:
        nonlocal raised
        try:
            arrivals.handle(failing(RuntimeError("no deployment validate-data/diabetes")))
        except RuntimeError:
            raised += 1
        return waiting(queue) == 0

    wait_for(try_again)
    assert raised == TRIES - 1
    found = set_aside(poison)
    assert found["reason"] == "failed 3 times, last: RuntimeError: no deployment validate-data/diabetes"
    assert (found["tries"], PATH in base64.b64decode(str(found["message"])).decode()) == (TRIES, True)


def test_what_kills_everybody_who_takes_it_is_set_aside_unread(
    arrivals: QueueArrivals, storage: Storage, queue: QueueClient, poison: QueueClient
) -> None:
    storage.write(PATH, b"a\n")
    for _ in range(TRIES):
        message = queue.receive_message(visibility_timeout=60)
        assert message is not None
        queue.update_message(message, visibility_timeout=0)
    arrivals.handle(failing(AssertionError("it was given to be done")))
    assert "taken 3 times and never done" in str(set_aside(poison)["reason"])
    assert waiting(queue) == 0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("no base64!", "no base64 of JSON"),
        pytest.param("€" * 21_000, "no base64 of JSON", id="letters that take more room as JSON"),
        pytest.param('"' * 65_000, "no base64 of JSON", id="letters that are escaped"),
        ({"what": "is this"}, "no event of Event Grid's own schema"),
        (event("t", "/nothing", BLOB_CREATED, {}), "names no blob"),
        (event("t", "/blobServices/default/containers/other/blobs/landing/x", BLOB_CREATED, {}), "container other"),
        (event("t", "s", "Microsoft.Storage.BlobDeleted", {}), "events of type 'Microsoft.Storage.BlobDeleted'"),
        (event("t", "s", MODEL_REGISTERED, {"modelName": "m"}), "modelversion"),
    ],
)
def test_what_nobody_can_understand_is_set_aside_at_once_and_the_next_is_heard(
    arrivals: QueueArrivals,
    storage: Storage,
    world: World,
    name: str,
    poison: QueueClient,
    content: str | dict[str, object],
    reason: str,
) -> None:
    world.part(EventGrid).deliver(name, content)
    blob, heard = storage.write(PATH, b"a\n"), Heard()
    arrivals.handle(heard.done)
    assert heard.told == [blob]
    assert reason in str(set_aside(poison)["reason"])


def test_an_arrival_that_was_moved_on_is_over(arrivals: QueueArrivals, storage: Storage, queue: QueueClient) -> None:
    storage.move(storage.write(PATH, b"a\n"), "accepted/diabetes/rows.csv")
    arrivals.handle(failing(AssertionError("it was told")))
    assert waiting(queue) == 0


@pytest.mark.parametrize("data", [{"modelName": "m", "modelVersion": "3"}, {"ModelName": "m", "ModelVersion": 3}])
def test_both_spellings_of_a_model_are_read(data: dict[str, object]) -> None:
    told_of = event("t", "models/m:3", MODEL_REGISTERED, data)
    assert events.read(base64.b64encode(json.dumps(told_of).encode()).decode()) == ModelVersion("m", 3, {})


def test_a_registered_model_is_told(azure: AzureSettings, world: World, arrivals: QueueArrivals, name: str) -> None:
    models, heard = f"{azure.workspace_id}/models/{name}", Heard()
    with subscribed(world, WORKSPACE, MODEL_REGISTERED, name):
        world.resources.put(models, {"properties": {}})
        world.resources.put(f"{models}/versions/4", {"properties": {"tags": {"stage": "candidate"}}})
    arrivals.handle(heard.done)
    mine = [told for told in heard.told if isinstance(told, ModelVersion) and told.recipe == name]
    assert mine == [ModelVersion(name, 4, {"stage": "candidate"})]


def test_two_listeners_share_the_work(make: Callable[[int], QueueArrivals], storage: Storage) -> None:
    written = [storage.write(f"landing/diabetes/{number}.csv", b"a\n") for number in range(4)]
    first, second, heard = make(30), make(30), Heard()

    def hand_over(arrival: Blob | ModelVersion) -> bool:
        if not heard.told:
            heard.done(arrival)
            second.handle(heard.done)
            return True
        heard.done(arrival)
        return True

    first.handle(hand_over)
    assert sorted(told.path for told in heard.told if isinstance(told, Blob)) == [blob.path for blob in written]


def arrivals_contract(arrivals: QueueArrivals) -> Arrivals:
    """The adapter has the port's shape."""
    return arrivals
