from datetime import timedelta
from pathlib import Path

import pytest

from runtime.config import ConfigError
from simulators.lines.modbus import RtuLine, TcpLine
from simulators.scene import find_scene, load_scene, scenes

BAD = Path(__file__).parent / "bad"

# File to the key that is wrong, and a word of the remedy.
MISTAKES = {
    "bad.half-written.toml": ("", "complete or correct that line"),
    "bad.schema.toml": ("schema", "use one of 1"),
    "bad.misspelt-key.toml": ("lines.0.prot", "did you mean `port`?"),
    "bad.protocol.toml": ("lines.0", "tcp"),
    "bad.no-lines.toml": ("lines", "add `lines`"),
    "bad.no-devices.toml": ("lines.0.devices", "at least 1 item"),
    "bad.profile.toml": ("lines.0.devices.0.profile", "use one of"),
    "bad.line-name-taken.toml": ("lines.1.name", "its own name"),
    "bad.device-name-taken.toml": ("lines.1.devices.0.name", "its own name"),
    "bad.unit-taken.toml": ("lines.0.devices.1.unit", "its own unit"),
    "bad.unit-on-serial.toml": ("lines.0.devices.0.unit", "1 to 247"),
    "bad.meter-line-place.toml": ("lines.0", "either `link` or `port`"),
    "bad.meter-address.toml": ("lines.0.devices.0.address", "12 digits"),
    "bad.address-taken.toml": ("lines.0.devices.1.address", "its own address"),
    "bad.stranger.toml": ("lines.0.devices.0.profile", "a line of its own protocol"),
    "bad.port-taken.toml": ("lines.1.port", "its own port"),
    "bad.link-taken.toml": ("lines.1.link", "its own link"),
    "bad.link-path.toml": ("lines.0.link", "../lift-line"),
    "bad.step-device.toml": ("steps.0.device", "did you mean `pump-1`?"),
    "bad.step-fault.toml": ("steps.0.fault", "did you mean `dry-run`?"),
    "bad.step-without-fault.toml": ("steps.0.fault", "add `fault`"),
    "bad.step-wrong-transport.toml": ("steps.0.fault", "half-open"),
    "bad.step-fault-parameter.toml": ("steps.0.fault", "such as '500ms'"),
    "bad.baudrate.toml": ("lines.0.baudrate", "300"),
    "bad.step-time.toml": ("steps.0.at", "500ms"),
}


def test_every_bad_file_is_tested() -> None:
    assert {file.name for file in BAD.glob("*.toml")} == set(MISTAKES)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_its_remedy(name: str) -> None:
    key, words = MISTAKES[name]
    with pytest.raises(ConfigError) as caught:
        load_scene(BAD / name)
    assert str(BAD / name) in str(caught.value)
    assert words in str(caught.value)
    assert key in [problem.key for problem in caught.value.problems]


def test_scenes_that_come_with_linli_are_right() -> None:
    assert "community" in scenes()
    for name in scenes():
        load_scene(find_scene(name))


def test_the_community_has_pumps_on_tcp_and_lifts_on_a_serial_line() -> None:
    loaded = load_scene(find_scene("community"))
    (pumps,), (lifts,) = loaded.process("pump-line"), loaded.process("lift-line")
    assert isinstance(pumps, TcpLine)
    assert isinstance(lifts, RtuLine)
    assert [(device.name, device.unit) for device in pumps.devices] == [("pump-1", 1), ("pump-2", 2)]
    assert [(device.name, device.unit) for device in lifts.devices] == [("lift-1", 1), ("lift-2", 2)]
    assert set(loaded.profiles) == {"pump-1", "pump-2", "lift-1", "lift-2"}


def test_steps_are_in_order_of_time() -> None:
    loaded = load_scene(find_scene("troubles"))
    assert [step.at for step in loaded.steps] == sorted(step.at for step in loaded.steps)
    assert loaded.lasts == timedelta(seconds=100)


def test_an_unknown_scene_or_line_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="community"):
        find_scene("comunity")
    with pytest.raises(ConfigError, match="lift-line"):
        load_scene(find_scene("community")).process("no-line")


def test_copies_of_a_line_have_their_own_names_ports_and_seeds_and_share_a_process() -> None:
    loaded = load_scene(find_scene("estate"))
    ((process, lines),) = loaded.processes.items()
    assert process == "stairwell"
    assert len(lines) == 250
    assert len(loaded.profiles) == 2000
    first, last = lines[0], lines[-1]
    assert isinstance(first, TcpLine)
    assert isinstance(last, TcpLine)
    assert (first.name, first.port, last.name, last.port) == ("stairwell-1", 17001, "stairwell-250", 17250)
    assert last.devices[0].name == "lift-a-250"
    assert first.devices[0].seed != last.devices[0].seed


def test_lines_share_a_process_when_they_say_so(tmp_path: Path) -> None:
    scene = tmp_path / "scene.toml"
    line = (
        '[[lines]]\nname = "{0}"\nprotocol = "tcp"\nport = 0\n{1}'
        'devices = [{{ name = "lift-{0}", profile = "nice3000-elevator", unit = 1 }}]\n'
    )
    both = 'process = "both"\n'
    scene.write_text("schema = 1\n" + line.format("a", both) + line.format("b", "") + line.format("c", both))
    processes = load_scene(scene).processes
    assert {name: [one.name for one in lines] for name, lines in processes.items()} == {"both": ["a", "c"], "b": ["b"]}


def test_a_scene_may_bring_its_own_profile(tmp_path: Path) -> None:
    from drivers.catalog import folders  # noqa: PLC0415 - only this test needs the files

    source = (folders()["nice3000-elevator"] / "profile.toml").read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(source, encoding="utf-8")
    scene = tmp_path / "scene.toml"
    scene.write_text(
        'schema = 1\nlines = [{ name = "a", protocol = "tcp", port = 0,'
        ' devices = [{ name = "lift-1", profile = "mine.toml", unit = 1 }] }]\n'
    )
    assert load_scene(scene).profiles["lift-1"].kind == "elevator"
