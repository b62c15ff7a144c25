from __future__ import annotations

from pathlib import Path

import pytest

from log_shipper.layout import AREA
from platforms.azure.access import BLOBS
from platforms.azure.blueprint import Blueprint
from platforms.azure.resources import Initially, Resource
from platforms.azure.settings import AzureSettings
from platforms.settings import ROOT
from tests.platforms.azure.bicep import Template

MAIN = ROOT / "deployments" / "azure" / "main.bicep"


def settings(operator: str | None = None, share: str | None = None) -> AzureSettings:
    return AzureSettings(
        _env_file=None,
        subscription_id="s",
        tenant_id="t",
        storage_account="ridgelinedata",
        registry="ridgelineimages",
        key_vault="https://ridgelinesecrets.vault.azure.net",
        operator=operator,
        qa_log_share=share,
    )


def template(path: Path = MAIN, operator: str | None = None, share: str | None = None) -> dict[str, Resource]:
    parameters = {"storageAccount": "ridgelinedata", "registry": "ridgelineimages", "keyVault": "ridgelinesecrets"}
    if operator:
        parameters["operator"] = operator
    if share:
        parameters["qaLogShare"] = share
    return {made.id: made for made in Template(path, "s", "t", parameters=parameters).made()}


def plain(value: object) -> object:
    """A body with the values that only count at first put in."""
    match value:
        case Initially():
            return plain(value.value)
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list():
            return [plain(item) for item in value]
        case _:
            return value


@pytest.mark.parametrize(("operator", "share"), [(None, None), ("5d5d", "qa-logs")])
def test_template_and_blueprint_name_the_same_resources(operator: str | None, share: str | None) -> None:
    mine = {made.id: made for made in Blueprint(settings(operator, share)).resources()}
    theirs = template(operator=operator, share=share)
    assert sorted(theirs) == sorted(mine)
    for id, made in mine.items():
        assert (theirs[id].type, theirs[id].api_version) == (made.type, made.api_version), made.label
        assert theirs[id].body == plain(made.body), made.label


def test_endpoints_read_and_write_nothing_but_their_logs() -> None:
    made = [resource for resource in Blueprint(settings()).resources() if "condition" in str(resource.body)]
    assert [resource.title for resource in made] == [
        "Storage Blob Data Contributor: ridgeline-serving on Microsoft.Storage/storageAccounts ridgelinedata"
    ]
    condition = made[0].body["properties"]["condition"]
    blobs, lists = condition.split(" AND ((")
    assert blobs.endswith(f"blobs:path] StringLike '{AREA}/*'))")
    assert f"!(ActionMatches{{'{BLOBS}/read'}} AND NOT SubOperationMatches{{'Blob.List'}})" in blobs
    assert all(f"!(ActionMatches{{'{BLOBS}/{write}'}})" in blobs for write in ("write", "delete"))
    assert lists.startswith(f"!(ActionMatches{{'{BLOBS}/read'}} AND SubOperationMatches{{'Blob.List'}})) OR (")
    assert lists.endswith(f"@Request[{BLOBS}:prefix] StringStartsWith '{AREA}/'))")
    assert condition.count("containers:name] StringEquals 'ridgeline' AND @Re") == 2
    assert condition.count("(") == condition.count(")")


def test_the_template_s_defaults_are_the_settings(tmp_path: Path) -> None:
    """A default that differs is found: nothing is compared with itself."""
    for name in ("main.bicep", "resources.bicep"):
        text = (MAIN.parent / name).read_text()
        (tmp_path / name).write_text(text.replace("param maxNodes int = 2", "param maxNodes int = 3"))
    mine = {made.id: plain(made.body) for made in Blueprint(settings()).resources()}
    different = [made.label for made in template(tmp_path / "main.bicep").values() if made.body != mine[made.id]]
    assert different == ["Microsoft.MachineLearningServices/workspaces/computes ridgeline/ridgeline"]


@pytest.mark.parametrize("wrong", ["resource x 'A/b@1' = {\n  name 'x'\n}\n", "var x = 'abc\n", "param a string =\n"])
def test_a_template_that_is_no_bicep_is_refused(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "wrong.bicep").write_text(wrong)
    with pytest.raises(Exception, match=r"Unexpected|No terminal"):
        Template(tmp_path / "wrong.bicep", "s", "t")
