from __future__ import annotations

import pytest

from platforms.azure import clients
from platforms.azure.secrets import VaultSecrets, vault_name
from platforms.azure.settings import AzureSettings
from platforms.errors import NotFoundError, PlatformError
from tests.emulator.faults import Fault
from tests.emulator.key_vault import Vault
from tests.emulator.world import World
from tests.platforms.contracts.secrets import SecretsContract


@pytest.fixture
def secrets(azure: AzureSettings, world: World) -> VaultSecrets:
    world.part(Vault).secrets.clear()
    return VaultSecrets(clients.vault(azure), clients.container(azure))


class TestVaultSecrets(SecretsContract):
    pass


def test_names_that_differ_stay_apart(secrets: VaultSecrets) -> None:
    names = ["my-recipe", "my_recipe", "My-recipe", "my.recipe"]
    assert len({vault_name(name).lower() for name in names}) == 4
    for name in names:
        secrets.create(name, name)
    assert [secrets.get(name) for name in names] == names


@pytest.mark.long
def test_racing_creators_make_one_version(secrets: VaultSecrets, world: World) -> None:
    TestVaultSecrets().test_racing_creators_agree(secrets)
    assert len(world.part(Vault).secrets["k"]) == 1


def test_throttling_is_waited_for(secrets: VaultSecrets, world: World) -> None:
    fault = Fault("throttle", "/secrets/", times=2)
    with world.faults.on(fault):
        assert secrets.create("s", "value") == "value"
    assert fault.hits == 2


def test_a_deleted_secret_says_what_to_do(secrets: VaultSecrets, azure: AzureSettings) -> None:
    secrets.create("gone", "value")
    clients.vault(azure).begin_delete_secret("gone").wait()
    with pytest.raises(NotFoundError):
        secrets.get("gone")
    with pytest.raises(PlatformError, match=r"secret 'gone' in https://.*deleted but recoverable"):
        secrets.create("gone", "value")


def test_no_value_is_in_an_error(secrets: VaultSecrets, world: World) -> None:
    fault = Fault("error", "/secrets/", "PUT", times=100)
    with world.faults.on(fault), pytest.raises(PlatformError) as raised:
        secrets.create("s", "hidden value")
    assert "hidden value" not in repr(raised.value)


def test_without_a_vault_the_setting_is_named() -> None:
    with pytest.raises(PlatformError, match="RIDGELINE_AZURE_KEY_VAULT is not set"):
        clients.vault(AzureSettings(key_vault=None))
