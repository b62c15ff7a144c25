from __future__ import annotations

import uuid

import pytest

from platforms.azure.difference import differences, merged
from platforms.azure.resources import Document, Initially, Output, Resource, UnknownOutputError, guid, wanted


@pytest.mark.parametrize(
    ("mine", "azure"),
    [
        ("West Europe", "westeurope"),
        ("STANDARD_DS3_V2", "Standard_DS3_v2"),
        ("PT300S", "PT5M"),
        ("PT120M", "PT2H"),
        ("P1D", "PT24H"),
        ("/subscriptions/s/resourceGroups/r", "/subscriptions/S/resourcegroups/R"),
    ],
)
def test_what_azure_spells_its_own_way_is_the_same(mine: str, azure: str) -> None:
    assert list(differences({"a": mine}, {"a": azure})) == []
    assert list(differences({"a": azure}, {"a": mine})) == []


@pytest.mark.parametrize(
    ("mine", "azure", "told"),
    [
        ({"a": "PT5M"}, {"a": "PT6M"}, ["a: PT6M -> PT5M"]),
        ({"a": "PT"}, {"a": "P"}, ["a: P -> PT"]),
        ({"a": True}, {"a": None}, ["a: missing -> True"]),
        ({"a": {"b": 1}}, {}, ["a.b: missing -> 1"]),
        ({"a": {"b": 1}}, {"a": "text"}, ["a.b: missing -> 1"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a: [1] -> [1, 2]"]),
        ({"a": [1, 2]}, {"a": [1, 3]}, ["a[1]: 3 -> 2"]),
        ({"a": [1]}, {"a": "x"}, ["a: [] -> [1]"]),
        (
            {"a": [{"name": "p", "n": 1}]},
            {"a": [{"name": "q", "n": 1}]},
            ["a[p].name: missing -> p", "a[p].n: missing -> 1"],
        ),
    ],
)
def test_what_differs_is_told_with_its_place(mine: object, azure: object, told: list[str]) -> None:
    assert list(differences(mine, azure)) == told


def test_what_azure_shows_beyond_is_no_difference() -> None:
    actual = {"Kind": "x", "state": "Succeeded", "pools": [{"name": "user"}, {"name": "system", "n": 1, "ip": "y"}]}
    assert list(differences({"kind": "x", "pools": [{"name": "system", "n": 1}]}, actual)) == []


def test_an_update_keeps_what_others_have_set() -> None:
    mine = {"kind": "x", "pools": [{"name": "system", "n": 2}], "rules": [1]}
    actual = {
        "Kind": "w",
        "tags": {"a": "b"},
        "pools": [{"name": "user", "n": 9}, {"name": "system", "n": 1, "m": 3}],
    }
    assert merged(mine, actual) == {
        "Kind": "x",
        "tags": {"a": "b"},
        "pools": [{"name": "system", "n": 2, "m": 3}, {"name": "user", "n": 9}],
        "rules": [1],
    }
    assert list(differences(mine, merged(mine, actual))) == []
    assert merged(mine, None) == mine


def test_a_body_is_filled_with_what_exists() -> None:
    made = Resource(
        "A/b", "x", "1", "/s", {"p": Output("/S/Other", "q.r"), "n": Initially(1), "l": [Output("/o", "z")]}
    )
    documents: dict[str, Document] = {"/s/other": {"q": {"r": 5}}, "/o": {"z": "t"}}
    assert wanted(made.body, documents, first=True) == {"p": 5, "n": 1, "l": ["t"]}
    assert wanted(made.body, documents, first=False) == {"p": 5, "l": ["t"]}
    assert made.outputs() == {"/S/Other", "/o"}
    with pytest.raises(UnknownOutputError, match=r"z of /o"):
        wanted(made.body, {"/s/other": {"q": {"r": 5}}}, first=True)


def test_ids_have_a_level_for_each_part_of_a_name() -> None:
    nested = Resource(
        "Microsoft.Storage/storageAccounts/blobServices/containers",
        "acc/default/c",
        "1",
        "/subscriptions/s/resourceGroups/r",
    )
    assert nested.id == (
        "/subscriptions/s/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/acc/blobServices/default/containers/c"
    )
    role = Resource("Microsoft.Authorization/roleAssignments", "n", "1", nested.id)
    assert role.id == f"{nested.id}/providers/Microsoft.Authorization/roleAssignments/n"


def test_guids_are_those_of_templates() -> None:
    """A name-based UUID (version 5) of the parts with dashes between them, in the namespace that templates use."""
    made = uuid.UUID(guid("a", "b"))
    assert made == uuid.uuid5(uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830"), "a-b")
    assert made.version == 5
