"""The examples in the driver's README and in the guide to profiles are what the product accepts."""

import re
import tomllib
from pathlib import Path

from typer.testing import CliRunner

from drivers.cli import app
from drivers.json_mqtt.config import JsonMqttSettings
from drivers.profile import Profile
from runtime.config import validate

ROOT = Path(__file__).resolve().parents[2]
HEAD = """
schema = 1
name = "example"
version = "1.0.0"
kind = "pump"
label = { zh = "例", en = "Example" }
"""


def examples(document: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)


def test_the_readme_of_the_driver() -> None:
    profile, site = examples("drivers/json_mqtt/README.md")
    made = validate("README.md", tomllib.loads(HEAD + 'protocol = "json"\n' + profile), Profile)
    assert made.points["press"].event
    (bus,) = tomllib.loads(site)["agents"]["edge-1"]["buses"].values()
    assert validate("README.md", bus, JsonMqttSettings).tls


def test_the_guide_to_profiles() -> None:
    points, alarms = examples("docs/guides/profiles.md")
    made = validate("profiles.md", tomllib.loads(HEAD + 'protocol = "modbus"\n' + points + alarms), Profile)
    assert made.alarms["fault"].work_order == "repair"


def test_the_guide_names_every_question_s_option() -> None:
    text = (ROOT / "docs/guides/profiles.md").read_text(encoding="utf-8")
    shown = CliRunner().invoke(app, ["new", "--help"], terminal_width=200).stdout
    for option in ("--base", "--table", "--word-order", "--scale"):
        assert f"`{option}`" in text
        assert option in shown
