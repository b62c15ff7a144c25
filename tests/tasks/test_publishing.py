from __future__ import annotations

import pytest
import yaml

from tasks.publishing import DEFINITION, Node, PublishError, expand, publish


def expanded(*recipes: str) -> list[dict[str, Node]]:
    deployments = expand(yaml.safe_load(DEFINITION.read_text()), recipes)["deployments"]
    assert isinstance(deployments, list)
    return [deployment for deployment in deployments if isinstance(deployment, dict)]


def test_every_recipe_gets_every_deployment() -> None:
    entrypoints = [str(deployment["entrypoint"]) for deployment in expanded("diabetes")]
    both = expanded("diabetes", "wine")
    wine = [entrypoint.replace(":diabetes", ":wine") for entrypoint in entrypoints]
    assert [deployment["entrypoint"] for deployment in both] == entrypoints + wine
    names = [deployment["name"] for deployment in both]
    assert names == ["diabetes"] * len(entrypoints) + ["wine"] * len(entrypoints)


def test_the_default_recipe_is_what_prefect_yaml_says() -> None:
    assert expanded("diabetes") == yaml.safe_load(DEFINITION.read_text())["deployments"]


def test_nothing_of_another_recipe_speaks_of_the_default_one() -> None:
    assert "diabetes" not in yaml.safe_dump(expanded("wine"))
    assert "ridgeline.recipe.wine" in yaml.safe_dump(expanded("wine"))


def test_a_server_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "0")
    with pytest.raises(PublishError, match="prefect deploy ended with 1"):
        publish(["diabetes"], "http://127.0.0.1:9/api")
