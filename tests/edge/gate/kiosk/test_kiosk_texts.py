"""Whatever the gate can say is said in both languages, and no text stands there unused."""

import re
from pathlib import Path

import pytest

from edge.gate.api import Answer, Guidance, Reason, Standing, Way
from edge.gate.kiosk.api import DoorShown, EnrolOutcome, Flaw, OpenOutcome, Phase, StaffCall
from edge.gate.kiosk.pages import STATIC
from edge.gate.kiosk.texts import as_table, load_texts
from runtime.messages import Language
from wire.roll import PersonKind

TEXTS = load_texts()
SCRIPTS = {file.name: file.read_text(encoding="utf-8") for file in STATIC.glob("*.js")}
PAGES = {file.name: file.read_text(encoding="utf-8") for file in STATIC.glob("*.html")}
SPOKEN = [
    *(f"reason.{one}" for one in Reason),
    *(f"help.{one}" for one in Reason),
    *(f"guide.{one}" for one in Guidance),
    *(f"guide_help.{one}" for one in Guidance),
    *(f"working.{one}" for one in Way),
    *(f"answer.{one}" for one in (Answer.OPEN,)),
    *(f"door.{one}" for one in DoorShown),
    *(f"call.{one}" for one in StaffCall),
    *(f"flaw.{one}" for one in Flaw),
    *(f"measure.{one}" for one in Flaw),
    *(f"outcome.{one}" for one in EnrolOutcome),
    *(f"open.{one}" for one in OpenOutcome),
    *(f"standing.{one}" for one in Standing),
    *(f"find.{one}" for one in PersonKind),
]
FROM_VALUES = {
    "reason",
    "help",
    "guide",
    "guide_help",
    "working",
    "door",
    "call",
    "flaw",
    "measure",
    "outcome",
    "refused",
}
"""Areas of which a script takes the text by a value: all of these are listed above, or are error codes."""


@pytest.mark.parametrize("key", SPOKEN)
def test_whatever_the_gate_can_say_has_words_in_both_languages(key: str) -> None:
    zh, en = (TEXTS.texts[key][language] for language in Language)
    assert re.search(r"[\u4e00-\u9fff]", zh), f"{key} is not Chinese: {zh}"
    assert re.search(r"[A-Za-z]", en)
    assert not re.search(r"[\u4e00-\u9fff]", en), f"{key} is not English: {en}"


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_has_a_short_headline_and_says_what_to_do(reason: Reason) -> None:
    headline, line = TEXTS.texts[f"reason.{reason}"], TEXTS.texts[f"help.{reason}"]
    # An upright screen has room for eleven letters, or six characters, of a twelfth of its height in a line.
    assert len(headline[Language.ZH]) <= 6
    assert max(len(word) for word in headline[Language.EN].split()) <= 11
    assert len(headline[Language.EN]) <= 22
    assert 6 <= len(line[Language.ZH]) <= 45
    assert 15 <= len(line[Language.EN]) <= 125
    assert line[Language.ZH].endswith("。")
    assert line[Language.EN].endswith(".")


@pytest.mark.parametrize("guidance", Guidance)
def test_guidance_is_short(guidance: Guidance) -> None:
    text = TEXTS.texts[f"guide.{guidance}"]
    assert len(text[Language.ZH]) <= 6
    assert max(len(word) for word in text[Language.EN].split()) <= 11


def test_refusals_name_another_way_or_staff() -> None:
    ways = re.compile(r"刷卡|扫码|呼叫|工作人员|物业|邀请人|再试|试一次|换一种方式|其他门|读码器|各自")
    silent = [one for one in Reason if one not in {Reason.OK, Reason.FIRE} and not ways.search(help_of(one))]
    assert silent == []


def help_of(reason: Reason) -> str:
    return TEXTS.texts[f"help.{reason}"][Language.ZH]


def used_keys() -> set[str]:
    everything = "\n".join([*SCRIPTS.values(), *PAGES.values()])
    return set(re.findall(r"""["'`]([a-z_]+\.[a-z_0-9]+)["'`]""", everything))


def test_every_key_that_a_page_uses_exists() -> None:
    areas = {key.partition(".")[0] for key in TEXTS.texts}
    wanted = {key for key in used_keys() if key.partition(".")[0] in areas and not key.endswith((".js", ".css"))}
    assert len(wanted) > 80
    assert sorted(wanted - set(TEXTS.texts)) == []


def test_every_text_is_used() -> None:
    script = "\n".join(SCRIPTS.values())
    templates = set(re.findall(r"`([a-z_]+)\.\$\{", script)) | set(re.findall(r"`([a-z_]+\.[a-z]+_)\$\{", script))
    partly = {prefix for prefix in templates if "." in prefix}
    by_value = FROM_VALUES | {prefix for prefix in templates if "." not in prefix}
    suffixed = {f"ways.{way}_how" for way in ("card", "pass")}
    used = used_keys() | set(SPOKEN) | suffixed
    unused = [
        key
        for key in TEXTS.texts
        if key not in used and key.partition(".")[0] not in by_value and not any(key.startswith(one) for one in partly)
    ]
    assert unused == []


def test_values_taken_by_name_are_those_of_the_enumerations() -> None:
    listed = {
        "guide": {*Guidance},
        "door": {*DoorShown},
        "flaw": {*Flaw},
        "outcome": {*EnrolOutcome},
        "reason": {*Reason},
        "help": {*Reason},
    }
    for area, values in listed.items():
        assert {key.partition(".")[2] for key in TEXTS.texts if key.startswith(f"{area}.")} == {
            str(one) for one in values
        }


def test_both_languages_fill_the_same_places() -> None:
    for key, text in TEXTS.texts.items():
        zh, en = (set(re.findall(r"\{(\w+)\}", text[language])) for language in Language)
        assert zh == en, key


def test_every_phase_has_a_view() -> None:
    script = SCRIPTS["kiosk.js"]
    assert all(re.search(rf"\b{phase}: \"", script) for phase in Phase)


def test_the_table_for_the_page_is_the_catalogue() -> None:
    table = as_table(TEXTS)
    assert table["reason.fever"] == {"zh": "体温偏高", "en": "High reading"}
    assert table["pin.typed"]["en"] == "{n} digits typed"


def test_no_asset_names_another_host() -> None:
    for file in Path(STATIC).iterdir():
        text = file.read_text(encoding="utf-8")
        foreign = re.findall(r"(?:https?:)?//[a-z][\w.-]+\.[a-z]{2,}", text.replace("http://www.w3.org/2000/svg", ""))
        assert foreign == [], file.name
        assert "innerHTML" not in text
        assert " style=" not in text
        assert not re.search(r"<script(?![^>]*src=)", text)
