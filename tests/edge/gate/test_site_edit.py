"""An alignment written into a site file: nothing else of the file changes, or nothing is written."""

import tomllib

import pytest

from edge.gate.site_edit import CannotEdit, align_line, with_align

ALIGN = ((0.25, 0.5, 0.75, 0.5), (0.2013, 0.4871, 0.7022, 0.4903))
HEAD = """# the north entrance
[agents.edge-1.gates.north]
device = "north-gate"  # reports

[agents.edge-1.gates.north.eyes]
camera = "camera-1"
"""
SECTION = (
    HEAD
    + """
[agents.edge-1.gates.north.eyes.thermal]  # beside it
device = "thermal-1"
# moved in May
max_age = "1s"

[agents.edge-1.gates.north.checks]
mask = { demand = "advisory" }
"""
)
TABLE = (
    HEAD + 'thermal = { device = "thermal-1", max_age = "1s" }  # small\n\n[agents.edge-1.gates.south]\ndevice = "s"\n'
)
OLD = "align = [[0.2, 0.3, 0.8, 0.7],\n    [0.25, 0.28, 0.75, 0.66]]  # by hand"


@pytest.mark.parametrize(
    "text",
    [
        SECTION,
        TABLE,
        SECTION.replace("# moved in May", OLD),
        TABLE.replace('max_age = "1s"', "align = [[0.2, 0.3, 0.8, 0.7], [0.25, 0.28, 0.75, 0.66]], max_age = '1s'"),
        SECTION.rsplit("\n\n", 1)[0],
    ],
    ids=["section", "table", "section with one", "table with one", "at the end"],
)
def test_only_the_alignment_changes(text: str) -> None:
    edited = with_align(text, "edge-1", "north", ALIGN)
    document = tomllib.loads(edited)
    thermal = document["agents"]["edge-1"]["gates"]["north"]["eyes"]["thermal"]
    assert thermal.pop("align") == [list(four) for four in ALIGN]
    before = tomllib.loads(text)
    before["agents"]["edge-1"]["gates"]["north"]["eyes"]["thermal"].pop("align", None)
    assert document == before
    for line in text.splitlines():
        assert line.partition("#")[2] in edited, "comments stay"


def test_written_twice_is_written_once() -> None:
    once = with_align(SECTION, "edge-1", "north", ALIGN)
    assert with_align(once, "edge-1", "north", ALIGN) == once


def test_a_file_that_is_written_otherwise_is_left_alone_and_says_what_to_write() -> None:
    text = HEAD + 'thermal.device = "thermal-1"\n'
    with pytest.raises(CannotEdit, match="write into") as refused:
        with_align(text, "edge-1", "north", ALIGN)
    assert align_line(ALIGN) in str(refused.value)
    with pytest.raises(CannotEdit, match=r"no \[agents"):
        with_align(HEAD, "edge-1", "north", ALIGN)
