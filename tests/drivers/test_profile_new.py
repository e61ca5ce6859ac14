"""`linli profile new`: register lists as makers and integrators write them, in any usual encoding."""

import csv
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from drivers.cli import app
from drivers.profile import Profile, load_profile
from drivers.profile_new.addresses import numbering_of, places_of
from drivers.profile_new.table import NoTable, Sheet, read_sheet
from drivers.profile_new.understand import Choices, questions, understand

runner = CliRunner()

CHINESE = """序号,名称,寄存器地址,数据类型,系数,单位,读写,功能码,备注
1,A相电压,0,UINT16,0.1,V,R,03,
2,运行状态,1,UINT16,1,,R,03,0:停止 1:运行 2:故障
3,总有功电能,2,UINT32,0.01,kWh,R,03,低字在前
4,压力设定,20,INT16,0.01,bar,读写,03/06,
"""
ENGLISH = """Parameter;Register;Data type;Factor;Unit;Access;FC
Discharge pressure;40001;INT16;0.1;bar;R/W;3
Speed;40002;FLOAT32 CDAB;1;%;RO;3
Fault;40004.2;BOOL;;;R;3
"""


def make(tmp_path: Path, text: str | bytes, *options: str, name: str = "acme-pump") -> tuple[Result, Path]:
    file = tmp_path / "list.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    folder = tmp_path / name
    result = runner.invoke(app, ["new", str(file), "--to", str(folder), "--name", name, *options])
    return result, folder


def made(tmp_path: Path, text: str | bytes, *options: str) -> Profile:
    result, folder = make(tmp_path, text, *options)
    assert result.exit_code == 0, result.output
    assert runner.invoke(app, ["check", str(folder)]).exit_code == 0
    return load_profile(folder / "profile.toml")


def place(profile: Profile, point: str) -> tuple[str, int, str, float]:
    modbus = profile.points[point].modbus
    return modbus.table.value, modbus.address, modbus.type.value, modbus.scale


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_a_chinese_list_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    profile = made(tmp_path, CHINESE.encode(encoding), "--word-order", "CDAB", "--kind", "pump", "--label-zh", "水泵")
    assert place(profile, "holding_0") == ("holding", 0, "uint16", 0.1)
    assert profile.points["holding_0"].label.zh == "A相电压"
    assert profile.points["holding_1"].enumeration["2"].zh == "故障"
    assert profile.points["holding_2"].modbus.word_order == "CDAB"
    assert profile.points["holding_20"].unit == "bar"
    assert (profile.kind, profile.label.zh) == ("pump", "水泵")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_any_separator(tmp_path: Path, separator: str) -> None:
    profile = made(tmp_path, ENGLISH.replace(";", separator))
    assert place(profile, "discharge_pressure") == ("holding", 0, "int16", 0.1)
    assert profile.points["speed"].modbus.word_order == "CDAB"
    assert profile.points["fault"].modbus.bit == 2


def test_reference_numbers_say_table_and_address() -> None:
    text = "name,address,type\nA,00001,bool\nB,10005,bool\nC,30010,uint16\nD,40001,int16\nE,400010,int16\n"
    found = {one.point.label.en: one.point.place for one in understand(read_sheet(text.encode()), Choices()).found}
    assert found == {"A": "coil 0", "B": "discrete 4", "C": "input 9", "D": "holding 0", "E": "holding 9"}


def test_reference_numbers_that_begin_with_40000_count_from_zero() -> None:
    sheet = read_sheet(b"name,address,type\nA,40000,int16\nB,40001,int16\n")
    assert [one.point.modbus.address for one in understand(sheet, Choices()).found] == [0, 1]


def test_large_decimal_addresses_are_no_references_where_the_function_says_otherwise() -> None:
    sheet = read_sheet(b"name,address,type,function code\nA,40001,int16,4\nB,40003,int16,4\n")
    assert [one.key for one in questions(sheet, Choices())] == ["numbering"]
    found = understand(sheet, Choices(numbering="zero")).found
    assert [one.point.place for one in found] == ["input 40001", "input 40003"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [("0x0010", 16), ("10H", 16), ("$10", 16), ("0010h", 16), ("\uff10x10", 16)],
)
def test_hexadecimal_addresses_count_from_zero(address: str, expected: int) -> None:
    sheet = read_sheet(f"name,address,type,fc\nA,{address},int16,3\n".encode())
    assert questions(sheet, Choices()) == ()
    assert understand(sheet, Choices()).found[0].point.modbus.address == expected


def test_a_header_may_say_that_addresses_are_hexadecimal() -> None:
    sheet = read_sheet("名称,地址\uff08十六进制\uff09,类型,功能码\n电压,001F,无符号16位,03H\n".encode())
    assert understand(sheet, Choices()).found[0].point.place == "holding 31"


def test_areas_count_from_one() -> None:
    sheet = read_sheet("名称,地址,类型\n启动,0x0001,BOOL\n压力,4x0010,INT\n".encode())
    assert [one.point.place for one in understand(sheet, Choices()).found] == ["coil 0", "holding 9"]


def test_spans_give_the_length() -> None:
    sheet = read_sheet(b"name,address,fc,type\nE,100-101,3,\nS,110~117,3,string\n")
    assert numbering_of(places_of(sheet)) is None
    points = [one.point.modbus for one in understand(sheet, Choices(numbering="one")).found]
    assert [(one.address, one.type.value, one.count) for one in points] == [(99, "uint32", 2), (109, "string", 8)]


def test_only_what_is_unknown_is_asked(tmp_path: Path) -> None:
    text = "名称,地址,类型,倍率\n电压,1,UINT16,10\n电能,3,UINT32,100\n"
    result, folder = make(tmp_path, text)
    assert result.exit_code == 2
    for option in ("--base (zero or one)", "--table", "--word-order", "--scale (multiply or divide)"):
        assert option in result.stderr
    assert not folder.exists()
    options = ("--base", "one", "--table", "input", "--word-order", "CDAB", "--scale", "divide")
    profile = made(tmp_path, text, *options)
    assert place(profile, "input_0") == ("input", 0, "uint16", 0.1)
    assert place(profile, "input_2") == ("input", 2, "uint32", 0.01)


def test_a_person_is_asked_and_may_answer_wrongly_once(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("name,address,type,fc\nA,1,int16,3\n")
    folder = tmp_path / "acme"
    answers = "two\none\npump\n泵\nPump\nyes\n"
    result = runner.invoke(app, ["new", str(file), "--to", str(folder), "--name", "acme", "--ask"], input=answers)
    assert result.exit_code == 0, result.output
    assert "one of zero, one" in result.stdout
    profile = load_profile(folder / "profile.toml")
    assert (profile.kind, profile.label.zh, profile.points["a"].modbus.address) == ("pump", "泵", 0)
    refused = runner.invoke(app, ["new", str(file), "--to", str(tmp_path / "b"), "--ask"], input="one\n\n\n\nno\n")
    assert refused.exit_code == 1
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("written", "scale"),
    [
        ("0.1", 0.1),
        ("1/10", 0.1),
        ("/100", 0.01),
        ("÷10", 0.1),
        ("x0.5", 0.5),
        ("\u00d70.5", 0.5),
        ("10^-2", 0.01),
        ("0.1℃", 0.1),
    ],
)
def test_scales_as_people_write_them(written: str, scale: float) -> None:
    sheet = read_sheet(f"name,address,type,scale,fc\nA,0,int16,{written},3\n".encode())
    assert understand(sheet, Choices()).found[0].point.modbus.scale == scale


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("A,,int16,,3,R", "no address"),
        ("A,xyz,int16,,3,R", "is no address"),
        ("A,abc,int16,,3,R", "no decimal address"),
        ("A,70000,int16,,3,R", "does not exist"),
        ("A,5,BCD,,3,R", "no type that is known"),
        ("A,5,bool,,3,R", "needs its number"),
        ("A,5,string,,3,R", "needs its length"),
        ("A,5,int16,abc,3,R", "no scale"),
        ("A,5,int16,0,3,R", "scale of 0"),
        ("A,5.17,bool,,3,R", "bit 17 does not exist"),
        ("A,5,int16,,6,WO", "only written"),
        ("A,65535,float,,3,R", "beyond address 65535"),
    ],
)
def test_a_bad_row_is_named_with_line_and_reason_and_kept(tmp_path: Path, row: str, reason: str) -> None:
    text = f"name,address,type,scale,function code,access\n{row}\nGood,0,int16,,3,R\n"
    result, folder = make(tmp_path, text, "--word-order", "ABCD")
    assert result.exit_code == 0, result.output
    assert reason in result.stdout
    with (folder / "quarantine.csv").open(encoding="utf-8-sig", newline="") as file:
        (kept,) = list(csv.DictReader(file))
    assert kept["line"] == "2"
    assert reason in kept["reason"]
    assert ",".join(list(kept.values())[2:]) == row
    assert list(load_profile(folder / "profile.toml").points) == ["good"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    first, folder = make(tmp_path, ENGLISH)
    assert first.exit_code == 0
    before = (folder / "profile.toml").read_bytes()
    again, _ = make(tmp_path, CHINESE, "--word-order", "ABCD")
    assert again.exit_code == 1
    assert "nothing is overwritten" in again.stderr
    assert (folder / "profile.toml").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no row names its columns"),
        ("a,b,c\n1,2,3\n", "no row names"),
        ("name,type\nA,int16\n", "no column is an address"),
    ],
)
def test_what_is_no_register_list_is_refused(tmp_path: Path, text: str, why: str) -> None:
    result, folder = make(tmp_path, text)
    assert result.exit_code == 1
    assert why in result.stderr
    assert not folder.exists()


def test_the_readme_has_the_contract_s_sections_and_says_what_is_left(tmp_path: Path) -> None:
    _, folder = make(tmp_path, CHINESE, "--word-order", "ABCD")
    text = (folder / "README.md").read_text(encoding="utf-8")
    for section in ("Wiring", "Parameters", "Points", "Commands", "Alarms", "Provenance"):
        assert f"\n## {section}\n" in text
    profile = load_profile(folder / "profile.toml")
    for name, point in profile.points.items():
        assert f"| `{name}` | {point.place}" in text
        assert f"`{name}` (line" in text
    assert "calls these writable: `holding_20`" in text
    template = (folder / "cases" / "template.toml.example").read_text(encoding="utf-8")
    assert tomllib.loads(template)["case"][0]["expected"].keys() == profile.points.keys()


def test_two_columns_of_names_are_the_two_languages() -> None:
    sheet = read_sheet("名称,Name,地址,类型,功能码\n水压,Water pressure,0,int16,3\n".encode())
    (found,) = understand(sheet, Choices()).found
    assert (found.key, found.point.label.zh, found.point.label.en, found.doubts) == (
        "water_pressure",
        "水压",
        "Water pressure",
        (),
    )


def test_lines_above_the_header_and_names_that_repeat() -> None:
    text = "ACME pump,,\nregister list v3,,\n,,\nname,address,type\nT,0x1,int16\nT,0x2,int16\n"
    sheet = read_sheet(text.encode())
    assert [(one.line, one.key) for one in understand(sheet, Choices()).found] == [(5, "t"), (6, "t_2")]


CELL = st.sampled_from(
    ["", "0", "1", "40001", "0x10", "4x3", "5.3", "100-101", "abc", "int16", "FLOAT", "bool", "位"]
) | st.text(max_size=8)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(CELL, min_size=8, max_size=8), max_size=6))
def test_whatever_the_cells_say_every_row_is_a_point_or_is_kept(rows: list[list[str]]) -> None:
    header = ["name", "address", "type", "scale", "unit", "access", "function", "description"]
    lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in [header, *rows]]
    try:
        sheet: Sheet = read_sheet("\r\n".join(lines).encode(errors="replace"))
    except NoTable:
        return
    questions(sheet, Choices())
    understood = understand(sheet, Choices())
    assert len(understood.found) + len(understood.rejected) == len(sheet.rows)
    assert len({one.key for one in understood.found}) == len(understood.found)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_do_harm(data: bytes) -> None:
    try:
        sheet = read_sheet(data)
    except NoTable:
        return
    understand(sheet, Choices())
