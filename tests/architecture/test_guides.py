"""The examples in the guides are files that the product accepts."""

import re
from pathlib import Path

import pytest

from cloud.access.domain import PERMISSIONS, Permission, Role
from cloud.assets.provision import load_provision
from cloud.config import load_config
from edge.config import load_site

ROOT = Path(__file__).resolve().parents[2]


def examples(document: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)


@pytest.mark.parametrize("document", ["docs/guides/agent.md", "edge/README.md"])
def test_the_site_file_of_the_guide_is_good(document: str, tmp_path: Path) -> None:
    [example] = examples(document)
    file = tmp_path / "site.toml"
    file.write_text(example, encoding="utf-8")
    for name in re.findall(r'password_file = "([^"]+)"', example):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("secret", encoding="utf-8")
    (tmp_path / "profiles").mkdir()
    assert "edge-1" in load_site(file).settings.agents


def test_the_service_s_files_of_the_guide_are_good(tmp_path: Path) -> None:
    config, organisation = examples("docs/guides/service.md")
    file = tmp_path / "cloud.toml"
    file.write_text(config, encoding="utf-8")
    assert load_config(file).web.port == 8080
    plan = tmp_path / "organisation.toml"
    plan.write_text(organisation, encoding="utf-8")
    assert [account.login for account in load_provision(plan).accounts] == ["chen", "wang"]


def test_the_table_of_roles_says_what_each_may() -> None:
    text = (ROOT / "docs/guides/service.md").read_text(encoding="utf-8")
    for role in Role:
        rights = " | ".join("yes" if permission in PERMISSIONS[role] else "" for permission in Permission)
        assert f"| {role.value} | {rights} |" in text
