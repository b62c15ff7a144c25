from __future__ import annotations

import subprocess
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import yaml
from prefect.settings import PREFECT_API_URL, temporary_settings

from recipes import catalog
from recipes.recipe import RecipeError
from tasks import publishing
from tasks.publishing import DEFINITION, Node, PublishError, expand, publish, server_url


def expanded(*recipes: str) -> list[dict[str, Node]]:
    deployments = expand(yaml.safe_load(DEFINITION.read_text()), recipes)["deployments"]
    assert isinstance(deployments, list)
    return [deployment for deployment in deployments if isinstance(deployment, dict)]


def test_every_recipe_gets_every_deployment_of_a_recipe_and_the_others_come_once() -> None:
    listed = expanded("diabetes")
    entrypoints = [str(deployment["entrypoint"]) for deployment in listed if deployment["name"] == "diabetes"]
    others = [(deployment["entrypoint"], deployment["name"]) for deployment in listed[len(entrypoints) :]]
    assert others == [("flows/build.py:build", "default")]
    both = [(deployment["entrypoint"], deployment["name"]) for deployment in expanded("diabetes", "wine")]
    wine = [(entrypoint.replace(":diabetes", ":wine"), "wine") for entrypoint in entrypoints]
    assert both == [(entrypoint, "diabetes") for entrypoint in entrypoints] + wine + others


def test_every_deployment_carries_the_version() -> None:
    definition = yaml.safe_load(DEFINITION.read_text())
    versioned = expand(definition, ["diabetes", "wine"], "abc-dirty")["deployments"]
    assert isinstance(versioned, list)
    assert {str(deployment["version"]) for deployment in versioned if isinstance(deployment, dict)} == {"abc-dirty"}
    assert expand(definition, ["diabetes"])["deployments"] == definition["deployments"]


def test_every_deployment_runs_in_the_pool_of_the_settings() -> None:
    definition = yaml.safe_load(DEFINITION.read_text())
    pooled = expand(definition, ["diabetes", "wine"], pool="mine")["deployments"]
    assert isinstance(pooled, list)
    pools = [deployment["work_pool"] for deployment in pooled if isinstance(deployment, dict)]
    assert {str(pool["name"]) for pool in pools if isinstance(pool, dict)} == {"mine"}
    assert {str(pool.get("work_queue_name")) for pool in pools if isinstance(pool, dict)} > {"validation"}


def test_the_default_recipe_is_what_prefect_yaml_says() -> None:
    assert expanded("diabetes") == yaml.safe_load(DEFINITION.read_text())["deployments"]


def test_nothing_of_another_recipe_speaks_of_the_default_one() -> None:
    assert "diabetes" not in yaml.safe_dump(expanded("wine"))
    assert "ridgeline.recipe.wine" in yaml.safe_dump(expanded("wine"))


def test_without_a_server_there_is_nowhere_to_publish() -> None:
    with temporary_settings({PREFECT_API_URL: None}), pytest.raises(PublishError, match="ridgeline up"):
        server_url()
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert server_url() == "http://127.0.0.1:9/api"


def test_a_recipe_that_does_not_load_is_told_instead_of_a_transcript(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> None:
        if name == "wine":
            raise RecipeError("recipes/wine calls itself 'diabetes'")

    monkeypatch.setattr(publishing, "_offer_pool", lambda *_: None)
    refused = Mock(return_value=subprocess.CompletedProcess([], 1, "Deploying", "Traceback"))
    monkeypatch.setattr(publishing, "subprocess", SimpleNamespace(run=refused))
    with pytest.raises(PublishError, match="prefect deploy ended with 1:\nDeployingTraceback"):
        publish(["diabetes"], "http://127.0.0.1:9/api", python=("launcher", "socket"))
    assert refused.call_args[0][0][:5] == ["launcher", "socket", "prefect", "--no-prompt", "deploy"]
    monkeypatch.setattr(catalog, "load", load)
    with pytest.raises(PublishError, match=r"^recipes/wine calls itself 'diabetes'$"):
        publish(["diabetes", "wine"], "http://127.0.0.1:9/api")


def test_a_server_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "0")
    with pytest.raises(PublishError, match=r"server http://127\.0\.0\.1:9/api cannot be used"):
        publish(["diabetes"], "http://127.0.0.1:9/api")
