"""Every text that a page asks for exists in both languages, and none lies about unused."""

import ast
from pathlib import Path

from cloud.access.domain import Role
from cloud.alarms.domain import State as AlarmState
from cloud.assets.domain import CommandState
from cloud.ui.texts import MESSAGES, catalogue, texts
from cloud.work_orders.domain import Action, State
from drivers.catalog import catalog_profile, profile_names
from drivers.profile import Priority, load_profile
from runtime.messages import Language

CLOUD = Path(__file__).parents[3] / "cloud"


def asked_for() -> tuple[set[str], set[str]]:
    """Give the keys that the code names, and the areas in which it looks up the names of values."""
    keys: set[str] = set()
    areas: set[str] = set()
    for file in CLOUD.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Attribute(attr="of"), args=[ast.Constant(value=str(area)), *_]):
                    areas.add(area)
                case ast.Call(func=ast.Name(id="t") | ast.Attribute(attr="t"), args=[ast.Constant(value=str(key)), *_]):
                    keys.add(key)
    return keys, areas | {"nav"}  # the navigation is a table of its own


def test_every_text_exists_and_is_used() -> None:
    keys, areas = asked_for()
    known = set(catalogue().texts)
    assert len(keys) > 100
    assert keys - known == set()
    assert {key for key in known - keys if key.partition(".")[0] not in areas} == set()


def test_every_text_is_there_in_both_languages_and_takes_the_same_values() -> None:
    for key, entry in catalogue().texts.items():
        assert all(entry[language].strip() for language in Language), key
        assert entry[Language.ZH].count("{") == entry[Language.EN].count("{"), key


def test_every_value_of_the_domain_has_a_name() -> None:
    t = texts("zh")
    for area, enum in (
        ("role", Role),
        ("priority", Priority),
        ("order_state", State),
        ("order_action", Action),
        ("command_state", CommandState),
        ("command_meaning", CommandState),
    ):
        assert all(f"{area}.{value.value.replace(' ', '_')}" in t.messages.texts for value in enum), area
    assert all(f"alarm_state.{state.name.lower()}" in t.messages.texts for state in AlarmState)


def test_value_without_a_name_is_shown_as_it_is() -> None:
    assert texts("en").of("kind", "heat-exchanger") == "heat-exchanger"


def test_value_of_several_words_is_found_by_its_name() -> None:
    assert texts("en").of("kind", "card-reader") == "Card reader"
    assert texts("zh").of("skill", "fire-safety") == "消防"
    assert texts("en").of("gate_reason", "still open") == texts("en")("gate_reason.still_open")


def test_message_file_lies_beside_the_pages() -> None:
    assert MESSAGES.parent == CLOUD / "ui"


def test_every_kind_and_skill_of_the_catalogue_has_a_name() -> None:
    profiles = [catalog_profile(name) for name in profile_names()]
    profiles.append(load_profile(CLOUD.parent / "edge" / "gate" / "profile.toml"))  # what agents themselves report
    kinds = {f"kind.{profile.kind}" for profile in profiles}
    skills = {f"skill.{order.skill}" for profile in profiles for order in profile.work_orders.values()}
    assert (kinds | skills) - set(catalogue().texts) == set()
