"""Addresses as register lists write them: decimal, hexadecimal, references such as 40001, spans and bits. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from drivers.places.modbus import Table
from drivers.profile_new.table import Row, Sheet, narrow, plain
from drivers.profile_new.words import FUNCTIONS, REFERENCE, TABLES

Numbering = Literal["zero", "one", "reference"]
"""How addresses count: as on the wire, from one, or by the old reference numbers such as 40001."""


_PLACE = re.compile(
    r"(?P<x>[0134]x)?(?P<hex>0x|\$|#)?(?P<number>[0-9a-f]+)(?P<suffix>h)?(?:[.:](?P<bit>[0-9a-f]{1,2}))?"
)
_SPAN = re.compile(r"\s*(?:-|~|to|至|\.\.)\s*")
_MOST = 65535


class BadRow(ValueError):
    """A row that cannot become a point; the text says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """An address as written: `table` where it says so, `registers` of a span, `digits` of a plain decimal number."""

    number: int
    hexadecimal: bool = False
    table: Table | None = None
    digits: int = 0
    bit: int | None = None
    registers: int | None = None


def try_place(row: Row, sheet: Sheet) -> Place | None:
    """Read a row's address; None when it has none."""
    try:
        return place_of(row, sheet)
    except BadRow:
        return None


def place_of(row: Row, sheet: Sheet) -> Place:
    """Read a row's address; BadRow."""
    written = row.get("address")
    text = narrow(written).lower().replace(" ", "").replace(",", "")
    if not text:
        raise BadRow("there is no address")
    first, *last = _SPAN.split(text, maxsplit=1)
    match = _PLACE.fullmatch(first)
    if match is None:
        raise BadRow(f"{written!r} is no address")
    number, area = match["number"], match["x"]
    # `0x12` is hexadecimal; `4x0012` is the twelfth of an area; so is `0x0012` where the column has `4x...` beside it.
    hexadecimal = match["hex"] is not None or match["suffix"] is not None or sheet.hexadecimal
    if area == "0x" and not any("4x" in other.get("address").lower() for other in sheet.rows):
        hexadecimal, area = True, None
    if not hexadecimal and not number.isdecimal():
        raise BadRow(f"{written!r} is no decimal address: write hexadecimal ones as 0x…")
    bit = int(match["bit"], 16 if match["bit"].isalpha() else 10) if match["bit"] is not None else None
    place = Place(
        number=int(number, 16 if hexadecimal else 10),
        hexadecimal=hexadecimal,
        table=REFERENCE[area[0]] if area is not None else None,
        digits=len(number) if not hexadecimal and area is None else 0,
        bit=bit,
    )
    if last and (end := _PLACE.fullmatch(last[0])) is not None and end["number"]:
        registers = int(end["number"], 16 if hexadecimal else 10) - place.number + 1
        return replace(place, registers=registers if registers > 0 else None)
    return place


def places_of(sheet: Sheet) -> list[tuple[Place, Table | None]]:
    """Read all addresses that can be read, each with the table that its row names."""
    found = ((row, try_place(row, sheet)) for row in sheet.rows)
    return [(place, table_of(row, place)) for row, place in found if place is not None]


def numbering_of(places: Sequence[tuple[Place, Table | None]]) -> Numbering | None:
    """Say how the addresses count; None where only a person knows."""
    given = [place for place, _ in places]
    if given and all(is_reference(place) and table in {None, reference_table(place)} for place, table in places):
        return "reference"
    if any(place.table is not None for place in given):
        return "one" if all(place.number > 0 for place in given) else "zero"
    if any(place.number == 0 for place in given) or (given and all(place.hexadecimal for place in given)):
        return "zero"
    return None


def is_reference(place: Place) -> bool:
    """Whether it can be a reference number: five or six digits, of which the first is a table."""
    text = f"{place.number:0{place.digits}d}"
    return place.digits in {5, 6} and not place.hexadecimal and text[0] in REFERENCE


def reference_table(place: Place) -> Table:
    """Give the table that a reference number says."""
    return REFERENCE[f"{place.number:0{place.digits}d}"[0]]


def address_of(place: Place, numbering: Numbering, places: Sequence[tuple[Place, Table | None]]) -> int:
    """Give the address on the wire; BadRow."""
    number = place.number
    if numbering == "reference" and is_reference(place):
        number %= 10 ** (place.digits - 1)
        # Some makers begin with 40000, and not with 40001.
        zero_based = any(other.number % 10 ** (other.digits - 1) == 0 for other, _ in places if other.digits)
        number -= 0 if zero_based else 1
    elif numbering == "one":
        number -= 1
    if not 0 <= number <= _MOST:
        raise BadRow(f"address {number} does not exist: they go from 0 to {_MOST}")
    return number


def table_of(row: Row, place: Place) -> Table | None:
    """Say which table a row is of; None where nothing says it."""
    if place.table is not None:
        return place.table
    if (word := plain(row.get("table"))) in TABLES:
        return TABLES[word]
    for text in re.findall(r"(?:0x)?[0-9a-f]+h?", narrow(row.get("function")).lower()):
        digits = text.removeprefix("0x").removesuffix("h")
        code = int(digits, 16) if text != digits or not digits.isdecimal() else int(digits)
        if code in FUNCTIONS:
            return FUNCTIONS[code]
    return None
