"""The files of a new device type: profile, README, a case's template, and the rows that were not understood. Pure."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from drivers.places.modbus import RegisterType
from drivers.profile_new.table import Sheet
from drivers.profile_new.understand import Found, Rejected, Understood

TODO = "**to do**"


@dataclass(frozen=True, kw_only=True, slots=True)
class About:
    """What the device type is. `source` names the list; `digest` is its SHA-256."""

    name: str
    kind: str
    zh: str
    en: str
    source: str
    digest: str


def profile_toml(about: About, understood: Understood) -> str:
    """Write `profile.toml`."""
    head = (
        f"# Made from the register list {about.source}. README.md says what is still to do.\n"
        f'schema = 1\nname = {_text(about.name)}\nversion = "0.1.0"\nkind = {_text(about.kind)}\n'
        f'label = {_label(about.zh, about.en)}\nprotocol = "modbus"\n\n[modbus]\n'
        "max_registers = 125 # the most that the device gives in one answer: see its manual\n"
        "max_gap = 8 # unused addresses that may be read over\n"
    )
    return "\n".join([head, *(_point(one) for one in understood.found)])


def readme(about: About, understood: Understood, sheet: Sheet) -> str:
    """Write `README.md` with the sections of the catalogue's contract, and what is left to do."""
    rows = "\n".join(_row(one) for one in understood.found)
    writable = ", ".join(f"`{one.key}`" for one in understood.found if one.writable)
    todo = "\n".join(f"- [ ] {line}" for line in _todo(understood))
    return f"""# {about.en}

{TODO}: what it is, in two sentences.

## To do

{todo}

## Wiring

{TODO}: terminals (RS-485 A and B, or Ethernet), supply, baud rate and parity.

## Parameters

{TODO}: what has to be set on the device, such as its unit number. In the site file:

```toml
[agents.edge-1.buses.line-1]
protocol = "modbus-rtu"        # or "modbus-tcp" with a host
port = "/dev/ttyS1"
baudrate = 9600
parity = "N"

[agents.edge-1.devices.{about.name}-1]
profile = "{about.name}"
bus = "line-1"
unit = 1
label = {_label(about.zh, about.en)}
place = "1 号楼/设备间"
```

## Points

Addresses count from zero, as on the wire. "Line" is the line in {about.source}.

| point | place | type | scale | unit | meaning | line |
|---|---|---|---|---|---|---|
{rows}

## Commands

None yet. The list calls these writable: {writable or "none"}.

{TODO}: declare a command, with limits and a read-back, only for what is safe to do from afar.

## Alarms

None yet. {TODO}: an alarm needs somebody to act: cause, consequence, response, priority and delays, in both languages.

## Provenance

- S1: {TODO}: title, edition and address (https://…) of the manual that the list comes from
- The list: {about.source} ({sheet.encoding}), SHA-256 {about.digest}
- *generic*: polling periods and everything under "To do" are the starter's own until somebody confirms them
"""


def case_template(understood: Understood) -> str:
    """Write the template of `cases/*.toml`: to be filled in and renamed."""
    lines = [
        "# Copy this to a file that ends in .toml, and fill in numbers from the manual or from a device, never made-up",
        "# ones; leave out what they do not tell. `linli profile check` then compares. Addresses count from zero.",
        "",
        'note = "where the numbers come from, and how they were got"',
        "",
        "[[case]]",
        'name = "one situation"',
        'source = "S1 page …: what stands there"',
    ]
    by_table: dict[str, list[Found]] = {}
    for one in understood.found:
        by_table.setdefault(one.point.modbus.table.value, []).append(one)
    for table, some in by_table.items():
        names: dict[int, list[str]] = {}
        for one in some:
            for address in range(one.point.modbus.address, one.point.modbus.address + one.point.modbus.count):
                names.setdefault(address, []).append(one.key)
        lines += ["", f"[case.registers.{table}]"]
        lines += [f"{address} = 0 # {', '.join(keys)}" for address, keys in sorted(names.items())]
    lines += ["", "[case.expected]", *(f"{one.key} = {_toml(one.point.sample)}" for one in understood.found)]
    return "\n".join(lines) + "\n"


def quarantine_csv(rejected: Sequence[Rejected], sheet: Sheet) -> str:
    """Write the rows that were not understood, with line and reason, and all their cells."""
    output = io.StringIO(newline="")
    writer = csv.writer(output)
    writer.writerow(["line", "reason", *sheet.headers])
    writer.writerows([one.line, one.reason, *one.written] for one in rejected)
    return output.getvalue()


def overview(understood: Understood) -> Iterator[str]:
    """Write what was understood as lines of a table for a terminal."""
    yield f"{'line':>5}  {'point':30} {'place':20} {'type':8} {'scale':>8}  {'unit':8} {'':3} label"
    for one in understood.found:
        place = one.point.modbus
        flags = f"{'w' if one.writable else ' '}{'?' if one.doubts else ' '}"
        where = f"{place.where}{'' if place.bit is None else f'.{place.bit}'}"
        yield (
            f"{one.line:>5}  {one.key:30} {where:20} {place.type.value:8} {place.scale:>8g}  "
            f"{one.point.unit:8} {flags:3} {one.point.label.zh}"
        )
    for lost in understood.rejected:
        yield f"{lost.line:>5}  not understood: {lost.reason}"


def _point(one: Found) -> str:
    place = one.point.modbus
    table = [f"table = {_text(place.table.value)}", f"address = {place.address}", f"type = {_text(place.type.value)}"]
    table += [f"length = {place.length}"] if place.length is not None else []
    table += [f"bit = {place.bit}"] if place.bit is not None else []
    if place.type not in {RegisterType.BOOL, RegisterType.STRING}:
        table += [f"word_order = {_text(place.word_order.value)}"] if place.count > 1 else []
        table += [f"scale = {_number(place.scale)}"] if place.scale != 1 else []
        table += [f"offset = {_number(place.offset)}"] if place.offset else []
    label = one.point.label
    lines = [f"[points.{one.key}]", f"label = {_label(label.zh, label.en)}", f"modbus = {{ {', '.join(table)} }}"]
    lines += [f"unit = {_text(one.point.unit)}"] if one.point.unit else []
    if (span := one.point.range) is not None:
        lines.append(f"range = {{ low = {_number(span.low)}, high = {_number(span.high)} }}")
    lines += ['poll = "10s"', f"sample = {_toml(one.point.sample)}"]
    if one.point.enumeration:
        lines.append(f"[points.{one.key}.enumeration]")
        lines += [f"{code} = {_label(known.zh, known.en)}" for code, known in one.point.enumeration.items()]
    return "\n".join(lines) + "\n"


def _row(one: Found) -> str:
    place = one.point.modbus
    bit = "" if place.bit is None else f" bit {place.bit}"
    scale = f"{place.scale:g}" + (f", offset {place.offset:g}" if place.offset else "")
    meaning = (one.description or one.point.label.zh).replace("|", "\\|").replace("\n", " ")
    cells = (f"`{one.key}`", f"{place.where}{bit}", place.type.value, scale, one.point.unit, meaning, str(one.line))
    return f"| {' | '.join(cells)} |"


def _todo(understood: Understood) -> Iterator[str]:
    yield "name the source of the list under Provenance"
    yield "confirm on a device: addresses, scales, the order of words; then keep what it showed as a case in `cases/`"
    yield "remove points that no operator, alarm, trend or command needs; set `poll`, `deadband`, `range` and `trend`"
    if understood.numbering == "reference":
        yield "the list has reference numbers (40001 …): confirm that 40001 is address 0 on the wire"
    if understood.rejected:
        yield f"{len(understood.rejected)} rows were not understood: `quarantine.csv` has them with their reasons"
    for one in understood.found:
        for doubt in one.doubts:
            yield f"`{one.key}` (line {one.line}): {doubt}"
        if any(label.zh == label.en for label in one.point.enumeration.values()):
            yield f"`{one.key}` (line {one.line}): write its states in both languages"


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _label(zh: str, en: str) -> str:
    return f"{{ zh = {_text(zh)}, en = {_text(en)} }}"


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(value) if isinstance(value, str) else repr(value)
