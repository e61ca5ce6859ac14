"""`linli gate`, by a real site file and real models: drawn people are enrolled, calibrated, exported, erased."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from edge.gate.cli import app
from edge.gate.people.api import DAY_MS
from edge.gate.people.evidence import Evidence
from edge.gate.people.keeping import Template
from edge.gate.people.place import find_place
from models.face.rendered import PERSON, STRANGER, Drawing, draw_face
from models.manifest import Role
from tests.support.faces import built
from tests.support.gate_people import consent, roll_of

SITE = """
schema = 1
[site]
community = "garden"
time_zone = "Asia/Shanghai"
[broker]
host = "127.0.0.1"
[agents.edge-1]
data = "data"
http = { port = 0 }
[agents.edge-1.gatehouse]
key_file = "keys/faces.key"
community_key_file = "keys/community.key"
backup_file = "usb/gate.backup"
[agents.edge-1.buses.gates]
protocol = "agent"
[agents.edge-1.buses.door]
protocol = "modbus-tcp"
host = "127.0.0.1"
[agents.edge-1.devices.gate-north]
profile = "linli-gate"
bus = "gates"
address = "north"
label = { zh = "北门", en = "North gate" }
place = "北门"
[agents.edge-1.devices.door-north]
profile = "waveshare-relay-d-door"
bus = "door"
unit = 1
label = { zh = "北门", en = "North door" }
place = "北门"
[agents.edge-1.gates.north]
label = { zh = "北门", en = "North gate" }
device = "gate-north"
[agents.edge-1.gates.north.door]
device = "door-north"
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for role in Role:
        built(role)
    monkeypatch.setenv("LINLI_MODELS", str(built(Role.RECOGNISER).parent))
    file = tmp_path / "site.toml"
    file.write_text(SITE, encoding="utf-8")
    run("keys", "community", tmp_path / "keys" / "community.key")
    return file


def run(*words: object, text: str | None = None, status: int = 0) -> Result:
    done = CliRunner().invoke(app, [str(one) for one in words], input=text)
    assert done.exit_code == status, done.output
    return done


def drawn(folder: Path, look: Drawing, name: str, **how: float) -> Path:
    file = folder / f"{name}.png"
    assert cv2.imwrite(str(file), draw_face(look, side=400, x=200, y=205, half_width=80, **how))
    return file


def test_somebody_is_enrolled_exported_backed_up_and_erased(site: Path, tmp_path: Path) -> None:
    run(
        "people",
        "add",
        site,
        "r-1",
        "--name",
        "王工",
        "--card",
        "04:A1:FF:02",
        "--face",
        "--pin",
        "-",
        text="2468\n2468\n",
    )
    run("people", "add", site, "r-2", "--name", "Ms. Li", "--face")
    assert "no face yet" in run("people", "list", site).stdout
    pictures = [drawn(tmp_path, PERSON, "one"), drawn(tmp_path, PERSON, "two", light=0.9)]
    words = ("--consent", "2026-1", "--given-by", "themselves")
    assert "r-1: 2 templates" in run("enrol", site, "r-1", *pictures, *words).stdout
    assert "enrolled already, as r-1" in run("enrol", site, "r-2", pictures[0], *words, status=1).output
    run("enrol", site, "r-2", drawn(tmp_path, STRANGER, "other"), *words)
    said = json.loads(run("people", "status", site, "--json").stdout)
    assert (said["people"], said["people_with_face"], said["templates"]) == (2, 2, 3)
    assert said["recognition"].startswith("1:1, card or pass first")
    target = tmp_path / "r-1.json"
    run("export", site, "r-1", "--to", target, "--by", "wang")
    assert target.stat().st_mode & 0o777 == 0o600
    given = json.loads(target.read_text(encoding="utf-8"))
    assert given["person"]["name"] == "王工"
    assert sorted(one["kind"] for one in given["credentials"]) == ["card", "pin"]
    assert len(given["faces"]) == 2
    assert [one["text"] for one in given["consents"]] == ["2026-1"]
    assert "enrol" in {one["what"] for one in given["look_ups"]}
    assert "is there" not in run("export", site, "r-1", "--to", target, status=1).stdout
    assert "2 people, 3 templates" in run("backup", site).stdout
    assert "r-1: 2 templates erased" in run("erase", site, "r-1", "--by", "wang").stdout
    assert json.loads(run("people", "list", site, "--json").stdout)[0]["faces"] == 0
    run("people", "remove", site, "r-2")
    told = run("audit", site, "--json")
    assert "whole, up to entry" in told.stderr
    entries = [json.loads(line) for line in told.stdout.splitlines()]
    assert {("export", "r-1", "wang"), ("erase", "r-1", "wang"), ("erase", "r-2", "roll")} <= {
        (one["what"], one["person"], one["by"]) for one in entries
    }
    assert "王工" not in told.stdout


def test_a_picture_that_is_no_good_is_told_in_words(site: Path, tmp_path: Path) -> None:
    run("people", "add", site, "r-1", "--name", "Wang", "--face")
    words = ("--consent", "2026-1", "--given-by", "themselves")
    dark = run("enrol", site, "r-1", drawn(tmp_path, PERSON, "dark", light=0.3), *words, status=1)
    assert "dark.png: too_dark" in dark.output
    (tmp_path / "text.png").write_text("no picture")
    assert "is no picture" in run("enrol", site, "r-1", tmp_path / "text.png", *words, status=1).output
    run("people", "add", site, "r-3", "--name", "Child", "--face", "--minor")
    assert "guardian" in run("enrol", site, "r-3", drawn(tmp_path, PERSON, "child"), *words, status=1).output


def test_a_calibration_says_what_to_expect_and_draws_it(site: Path, tmp_path: Path) -> None:
    assert "50 are needed" in run("calibrate", site).stdout
    people = find_place(site, None).open()
    known = np.random.default_rng(1).normal(size=(80, 128)).astype(np.float32) / 11
    people.apply(roll_of(80, revision=5))
    said = consent(given_ms=people.now_ms(), expires_ms=people.now_ms() + DAY_MS)
    for number, values in enumerate(known):
        one = Template(model=people.model, metric=people.metric, values=values)
        people.keep(f"p{number}", [one], consent=said, by="test")
    people.close()
    report = tmp_path / "report"
    told = run("calibrate", site, "--fpir", 0.01, "--report", report).stdout
    assert "80 people, 80 templates, 80 strangers" in told
    assert "strangers taken for somebody: " in told
    assert "not measured; enrol people by several pictures" in told
    assert ET.fromstring((report / "calibration.svg").read_text()).tag.endswith("svg")  # noqa: S314 - our own text
    assert json.loads((report / "calibration.json").read_text())["asked"] == 0.01


def test_a_dead_box_is_restored_by_the_command(site: Path, tmp_path: Path) -> None:
    run("people", "add", site, "r-1", "--name", "Wang", "--face", "--card", "77")
    run("enrol", site, "r-1", drawn(tmp_path, PERSON, "one"), "--consent", "1", "--given-by", "themselves")
    run("backup", site)
    database = tmp_path / "data" / "gates" / "people.sqlite"
    database.write_bytes(b"nothing that SQLite knows" * 1000)
    assert "damaged" in run("people", "list", site, status=1).output
    assert "linli gate restore" in run("verify", site, status=1).output
    (tmp_path / "keys" / "faces.key").unlink()
    done = run("restore", site, "--from", tmp_path / "usb" / "gate.backup", "--damaged")
    assert "1 people, 1 templates" in done.stdout
    assert "Wang" in run("people", "list", site).stdout
    assert database.with_name("people.sqlite.damaged-1").exists()
    assert "into an empty folder" in run("restore", site, "--from", tmp_path / "usb" / "gate.backup", status=1).output


def test_keys_are_shown_by_name_and_changed(site: Path, tmp_path: Path) -> None:
    run("people", "add", site, "r-1", "--name", "Wang", "--card", "77")
    before = run("keys", "show", site).stdout
    run("keys", "rotate", site)
    assert run("keys", "show", site).stdout != before
    community = tmp_path / "keys" / "community.key"
    assert "never overwritten" in run("keys", "community", community, status=1).output
    run("backup", site)
    run("keys", "community", community, "--change")
    run("restore", site, "--from", tmp_path / "usb" / "gate.backup", "--damaged")
    assert "Wang" in run("people", "list", site).stdout


def test_verify_looks_at_everything(site: Path) -> None:
    run("people", "add", site, "r-1", "--name", "Wang")
    told = run("verify", site, status=1)
    assert "models: good" in told.output
    assert "backup: there is no" in told.output
    run("backup", site)
    assert "backup: good" in run("verify", site).output


def test_staff_of_the_kiosk(tmp_path: Path) -> None:
    file = tmp_path / "staff.toml"
    run("staff", "add", file, "wang", "--name", "王工", text="a long password\na long password\n")
    assert "王工" in run("staff", "list", file).stdout
    assert "a long password" not in file.read_text(encoding="utf-8")
    assert "8 to 200" in run("staff", "add", file, "li", text="short\nshort\n", status=1).output
    run("staff", "remove", file, "wang")
    assert "nobody logs in" in run("staff", "remove", file, "wang", status=1).output


def test_snapshots_are_brought_out_by_name(site: Path, tmp_path: Path) -> None:
    people = find_place(site, None).open()
    kept = Evidence(people).put(b"\xff\xd8jpeg", "fever", keep_ms=86_400_000, gate="edge-1/north")
    people.close()
    assert "fever" in run("snapshots", site).stdout
    run("snapshots", site, "--read", kept, "--to", tmp_path / "one.jpg")
    assert (tmp_path / "one.jpg").read_bytes() == b"\xff\xd8jpeg"
    assert "no snapshot" in run("snapshots", site, "--read", "0" * 16, "--to", tmp_path / "two.jpg", status=1).output


def test_a_roll_that_a_service_sends_is_not_changed_by_hand(site: Path, tmp_path: Path) -> None:
    text = SITE + '[agents.edge-1.gatehouse.roll]\nurl = "https://linli.example"\ntoken_file = "t"\nkeys_file = "k"\n'
    site.write_text(text, encoding="utf-8")
    assert "change it there" in run("people", "add", site, "r-1", "--name", "Wang", status=1).output
    assert "has no `gatehouse`" in run("people", "list", site, "--agent", "x", status=1).output
