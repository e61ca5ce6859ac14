"""One setting of a gate written into the text of a site file, which keeps everything else of it, comments too. Pure."""

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from edge.gate.eyes.alignment import Align


class CannotEdit(ValueError):
    """The file is written in a way that is not edited here; the text says what to write by hand."""


def align_line(align: Align) -> str:
    """Write an alignment as a line of the section `[agents.AGENT.gates.GATE.eyes.thermal]`."""
    seen, felt = ("[" + ", ".join(f"{part:g}" for part in four) + "]" for four in align)
    return f"align = [{seen}, {felt}]"


def with_align(text: str, agent: str, gate: str, align: Align) -> str:
    """Set the alignment of a gate's thermal camera in a site file's text. CannotEdit.

    What is given says the same as before in all but this, or it is not given.
    """
    wanted = _changed(tomllib.loads(text), agent, gate, align)
    for edited in (_in_section(text, agent, gate, align), _in_table(text, agent, gate, align)):
        if edited is not None and _reads(edited) == wanted:
            return edited
    section = f"[agents.{agent}.gates.{gate}.eyes.thermal]"
    raise CannotEdit(f"this file is not edited by a program; write into {section}:\n{align_line(align)}")


def _reads(text: str) -> Mapping[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _changed(document: dict[str, Any], agent: str, gate: str, align: Align) -> Mapping[str, Any]:
    try:
        thermal = document["agents"][agent]["gates"][gate]["eyes"]["thermal"]
        thermal["align"] = [list(four) for four in align]
    except (KeyError, TypeError) as error:
        raise CannotEdit(f"this file has no [agents.{agent}.gates.{gate}.eyes.thermal]") from error
    return document


_HEADER = re.compile(r"""^[ \t]*\[+[A-Za-z_"']""", re.MULTILINE)
_VALUE = r"\[\s*\[[^\[\]]*\]\s*,\s*\[[^\[\]]*\]\s*,?\s*\]"


def _in_section(text: str, agent: str, gate: str, align: Align) -> str | None:
    """Edit `[….eyes.thermal]` as a section of its own."""
    header = re.compile(
        rf"^[ \t]*\[agents\.{re.escape(agent)}\.gates\.{re.escape(gate)}\.eyes\.thermal\][^\n]*\n?", re.MULTILINE
    )
    found = header.search(text)
    if found is None:
        return None
    end = _HEADER.search(text, found.end())
    body = text[found.end() : None if end is None else end.start()]
    there = re.compile(rf"^([ \t]*)align[ \t]*=[ \t]*{_VALUE}", re.MULTILINE)
    edited, count = there.subn(lambda match: match[1] + align_line(align), body, count=1)
    if not count:
        head = text[: found.end()]
        return head + ("" if head.endswith("\n") else "\n") + align_line(align) + "\n" + text[found.end() :]
    return text[: found.end()] + edited + text[found.end() + len(body) :]


def _in_table(text: str, agent: str, gate: str, align: Align) -> str | None:
    """Edit `thermal = { … }` in the section of the eyes."""
    header = re.compile(rf"^[ \t]*\[agents\.{re.escape(agent)}\.gates\.{re.escape(gate)}\.eyes\][^\n]*\n", re.MULTILINE)
    found = header.search(text)
    if found is None:
        return None
    table = re.compile(r"^([ \t]*thermal[ \t]*=[ \t]*\{)([^{}\n]*)\}", re.MULTILINE).search(text, found.end())
    if table is None:
        return None
    inner, count = re.subn(rf"align[ \t]*=[ \t]*{_VALUE}", align_line(align), table[2], count=1)
    if not count:
        inner = f"{table[2].rstrip().rstrip(',')}, {align_line(align)} "
    return text[: table.start()] + table[1] + inner + "}" + text[table.end() :]
