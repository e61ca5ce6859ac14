"""What another site file changes: which lines are kept, which devices are only renamed, what waits for a start."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.changes import Changes, DeviceChange, LineChange, difference, plan_of
from edge.config import load_site
from tests.support.broker import Broker
from tests.support.changing_site import ChangingSite

Edit = Callable[[ChangingSite], object]
KEPT = {"a": LineChange.KEPT, "b": LineChange.KEPT}


def changes_by(folder: Path, edit: Edit, text: Callable[[str], str] = str) -> Changes:
    site = ChangingSite(
        folder=folder,
        broker=Broker(folder=folder, users={}, port=1883),
        buses={"a": 5020, "b": 5021},
        devices={"p1": ("a", 1, "bench-pump"), "p2": ("a", 2, "other-pump"), "q1": ("b", 1, "bench-pump")},
        scales={"bench-pump": 0.1, "other-pump": 0.1},
        http=9101,
    )
    before = plan_of(load_site(site.write()), "edge-1")
    edit(site)
    site.file.write_text(text(site.write().read_text()))
    return difference(before, plan_of(load_site(site.file), "edge-1"), started=before)


def test_the_same_file_changes_nothing(tmp_path: Path) -> None:
    changes = changes_by(tmp_path, lambda _: None)
    assert changes.nothing
    assert changes.lines == KEPT


def test_the_order_of_devices_and_comments_change_nothing(tmp_path: Path) -> None:
    def turn(site: ChangingSite) -> None:
        site.devices = dict(reversed(site.devices.items()))
        site.extra = "# a comment"

    assert changes_by(tmp_path, turn).nothing


LINES: dict[str, tuple[Edit, dict[str, LineChange], dict[str, DeviceChange]]] = {
    "a device more": (
        lambda site: site.devices.update(p3=("a", 3, "bench-pump")),
        {"a": LineChange.RESTARTED},
        {"p3": DeviceChange.NEW},
    ),
    "a device less": (lambda site: site.devices.pop("p2"), {"a": LineChange.RESTARTED}, {"p2": DeviceChange.GONE}),
    "another unit": (
        lambda site: site.devices.update(p2=("a", 9, "other-pump")),
        {"a": LineChange.RESTARTED},
        {"p2": DeviceChange.REREAD},
    ),
    "another profile": (
        lambda site: site.devices.update(p2=("a", 2, "bench-pump")),
        {"a": LineChange.RESTARTED},
        {"p2": DeviceChange.REREAD},
    ),
    "a profile with another content": (
        lambda site: site.scales.update({"other-pump": 0.5}),
        {"a": LineChange.RESTARTED},
        {"p2": DeviceChange.REREAD},
    ),
    "a profile of both lines": (
        lambda site: site.scales.update({"bench-pump": 0.5}),
        {"a": LineChange.RESTARTED, "b": LineChange.RESTARTED},
        {"p1": DeviceChange.REREAD, "q1": DeviceChange.REREAD},
    ),
    "another bus": (
        lambda site: site.devices.update(p2=("b", 2, "other-pump")),
        {"a": LineChange.RESTARTED, "b": LineChange.RESTARTED},
        {"p2": DeviceChange.REREAD},
    ),
    "another port": (lambda site: site.buses.update(b=5022), {"b": LineChange.RESTARTED}, {}),
    "a bus less": (
        lambda site: (site.buses.pop("b"), site.devices.pop("q1")),
        {"b": LineChange.GONE},
        {"q1": DeviceChange.GONE},
    ),
    "a bus more": (
        lambda site: (site.buses.update(c=5023), site.devices.update(r1=("c", 1, "bench-pump"))),
        {"c": LineChange.NEW},
        {"r1": DeviceChange.NEW},
    ),
    "a label": (lambda site: site.labels.update(p1="new"), {}, {"p1": DeviceChange.RENAMED}),
}


@pytest.mark.parametrize(("edit", "lines", "devices"), LINES.values(), ids=LINES)
def test_only_what_changed_is_touched(
    tmp_path: Path, edit: Edit, lines: dict[str, LineChange], devices: dict[str, DeviceChange]
) -> None:
    changes = changes_by(tmp_path, edit)
    assert changes.lines == KEPT | lines
    assert {name: one for name, one in changes.devices.items() if one is not DeviceChange.KEPT} == devices
    assert not changes.broker
    assert not changes.nothing


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('place = "1号楼"', 'place = "2号楼"'),
        ('place = "1号楼"', 'place = "1号楼"\nheartbeat = "5s"'),
        ('place = "1号楼"', 'place = "1号楼"\nalarms.dry_run.on_delay = "9s"'),
    ],
    ids=["place", "heartbeat", "alarms"],
)
def test_what_is_said_of_a_device_needs_no_restart(tmp_path: Path, old: str, new: str) -> None:
    changes = changes_by(tmp_path, lambda _: None, lambda text: text.replace(old, new))
    assert changes.lines == KEPT
    assert set(changes.devices.values()) == {DeviceChange.RENAMED}


def test_the_broker_is_a_part_of_its_own(tmp_path: Path) -> None:
    changes = changes_by(tmp_path, lambda _: None, lambda text: text.replace('keepalive = "2s"', 'keepalive = "9s"'))
    assert changes.broker
    assert changes.lines == KEPT


def test_gates_are_a_part_of_their_own(tmp_path: Path) -> None:
    # The time zone is theirs: people's hours are judged by it.
    changes = changes_by(tmp_path, lambda _: None, lambda text: text.replace("Asia/Shanghai", "Asia/Urumqi"))
    assert changes.gates
    assert not changes.nothing
    assert changes.lines == KEPT
    assert changes.at_next_start == ()


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("port = 9101", "port = 9102", "agents.edge-1.http"),
        ('data = "data"', 'data = "other"', "agents.edge-1.data"),
        ('data = "data"', 'data = "data"\njournal.max_records = 500', "agents.edge-1.journal"),
        ('community = "sunshine-garden"', 'community = "moon-garden"', "site.community"),
    ],
)
def test_what_only_a_start_can_change_is_named(tmp_path: Path, old: str, new: str, key: str) -> None:
    changes = changes_by(tmp_path, lambda _: None, lambda text: text.replace(old, new))
    assert changes.at_next_start == (key,)
    assert changes.nothing
