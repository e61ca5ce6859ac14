"""The contract that every device type of the catalogue keeps."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.cases import check_case, load_cases
from drivers.catalog import catalog_profile, folders, profile_names
from drivers.modbus.blocks import poll_plan
from drivers.profile import Label, Priority, Profile, parse_profile
from runtime.config import ConfigError, Strict
from tests.support.stored import shown

ASK_NOBODY = {"json", "camera", "radiometric", "thermal-array", "reader"}  # these say by themselves what they know
SECTIONS = ("## Wiring", "## Parameters", "## Points", "## Commands", "## Alarms", "## Provenance")


@pytest.fixture(params=profile_names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(name: str) -> Path:
    return folders()[name]


@pytest.fixture
def profile(name: str) -> Profile:
    return catalog_profile(name)


def test_the_catalogue_has_a_pump_and_an_elevator() -> None:
    assert {catalog_profile(name).kind for name in profile_names()} >= {"pump", "elevator"}


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"use one of .*grundfos-hydro-mpc.*nice3000-elevator"):
        catalog_profile("grundfos")


def test_a_folder_is_named_for_its_profile(name: str, profile: Profile) -> None:
    assert profile.name == name


def test_the_readme_has_its_sections_and_every_point(folder: Path, profile: Profile) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert [section for section in SECTIONS if section not in text] == []
    assert [point for point in profile.points if f"| `{point}` |" not in text] == []
    assert [entry for entry in (*profile.commands, *profile.alarms) if f"`{entry}`" not in text] == []


def test_the_readme_gives_each_points_true_address(folder: Path, profile: Profile) -> None:
    rows = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    for name, point in profile.points.items():
        row = next(row for row in rows if row.startswith(f"| `{name}` |"))
        assert f"| {point.place}" in row


def test_provenance_names_sources_and_what_is_generic(folder: Path) -> None:
    provenance = (folder / "README.md").read_text(encoding="utf-8").split("## Provenance")[1]
    assert "https://" in provenance
    assert "generic" in provenance


def test_every_case_decodes_to_what_its_source_says(folder: Path, profile: Profile) -> None:
    files = load_cases(folder)
    assert files
    wrong = [str(found) for file in files.values() for case in file.case for found in check_case(profile, case)]
    assert wrong == []


def test_every_sample_fits_its_registers(profile: Profile) -> None:
    for name, point in profile.points.items():
        assert shown(point, point.sample) == point.sample, name


def test_the_hash_survives_the_wire(profile: Profile) -> None:
    again = parse_profile(profile.document(), source="wire")
    assert again == profile
    assert again.hash == profile.hash
    assert len(profile.hash) == 32


def test_every_alarm_has_an_order_or_is_of_low_priority(profile: Profile) -> None:
    without = [name for name, alarm in profile.alarms.items() if alarm.work_order is None]
    assert all(profile.alarms[name].priority is Priority.LOW for name in without)


def test_every_order_is_used_and_has_a_checklist(profile: Profile) -> None:
    used = {alarm.work_order for alarm in profile.alarms.values()} - {None}
    assert set(profile.work_orders) == used
    assert all(order.checklist for order in profile.work_orders.values())


def test_an_order_for_an_urgent_alarm_is_quick(profile: Profile) -> None:
    for alarm in profile.alarms.values():
        if alarm.priority is Priority.URGENT and alarm.work_order is not None:
            assert profile.work_orders[alarm.work_order].arrive_within.total_seconds() <= 30 * 60


def test_every_code_of_an_alarm_has_a_name_on_its_point(profile: Profile) -> None:
    for alarm in profile.alarms.values():
        if alarm.point is not None:
            assert set(alarm.codes) <= set(profile.points[alarm.point].enumeration)


def labels(model: object) -> Iterator[Label]:
    if isinstance(model, Label):
        yield model
    elif isinstance(model, Strict):
        for field in type(model).model_fields:
            yield from labels(getattr(model, field))
    elif isinstance(model, dict):
        for item in model.values():
            yield from labels(item)
    elif isinstance(model, tuple):
        for item in model:
            yield from labels(item)


def test_both_languages_are_what_they_claim(profile: Profile) -> None:
    for label in labels(profile):
        assert not any("\u4e00" <= letter <= "\u9fff" for letter in label.en), label
        assert label.zh.strip()
        assert label.en.strip()


def test_sentences_for_people_are_chinese_in_chinese(profile: Profile) -> None:
    for alarm in profile.alarms.values():
        for text in (alarm.label, alarm.cause, alarm.consequence, alarm.response):
            assert any("\u4e00" <= letter <= "\u9fff" for letter in text.zh), text


def test_a_poll_takes_few_requests(profile: Profile) -> None:
    if profile.protocol == "modbus":
        assert all(len(blocks) <= 6 for blocks in poll_plan(profile).values())
    elif profile.protocol not in ASK_NOBODY:
        periods = {point.poll for point in profile.points.values()}
        for period in periods:
            assert len({point.place for point in profile.points.values() if point.poll == period}) <= 7


def test_nothing_in_an_elevator_can_be_commanded() -> None:
    for name in profile_names():
        profile = catalog_profile(name)
        if profile.kind == "elevator":
            assert profile.commands == {}
