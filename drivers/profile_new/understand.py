"""What the rows of a register list mean: places, types, scales, labels; and what nobody can know from them. Pure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ValidationError

from drivers.places.modbus import REGISTERS, RegisterType, Table, WordOrder
from drivers.profile import Point
from drivers.profile_new.addresses import (
    BadRow,
    Numbering,
    Place,
    address_of,
    is_reference,
    numbering_of,
    place_of,
    places_of,
    reference_table,
    table_of,
)
from drivers.profile_new.table import DIVIDES, Row, Sheet, narrow, plain
from drivers.profile_new.words import ORDERS, TYPES


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """What a person decides where the list does not say; None where it is still open."""

    numbering: Literal["zero", "one"] | None = None
    table: Table | None = None
    word_order: WordOrder | None = None
    divide: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """Something that the list does not say. `option` answers it on the command line."""

    key: Literal["numbering", "table", "word_order", "divide"]
    text: str
    answers: tuple[str, ...]
    default: str
    option: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A row that became a point. `doubts` are for a person to look at."""

    line: int
    key: str
    point: Point
    writable: bool
    description: str
    doubts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejected:
    """A row that did not."""

    line: int
    reason: str
    written: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Understood:
    """The whole list."""

    found: tuple[Found, ...]
    rejected: tuple[Rejected, ...]
    numbering: Numbering


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    sheet: Sheet
    choices: Choices
    numbering: Numbering
    places: Sequence[tuple[Place, Table | None]]


@dataclass(kw_only=True, slots=True)
class _Draft:
    doubts: list[str] = field(default_factory=list)


_READS = re.compile(r"r|读|get|monitor|监")
_WRITES = re.compile(r"w|写|set|control|控")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
_PAIR = re.compile(
    r"(?<![\d.])(\d{1,5})\s*(?:[:=]|--?|→)\s*([^\d\s:=;,、|/][^:=;,、|/\n]*?)(?=\s*(?:[;,、|/\n]|\d{1,5}\s*(?:[:=]|--?|→)|$))"
)


def questions(sheet: Sheet, choices: Choices) -> tuple[Question, ...]:
    """Say what has to be asked: what the list does not say, and `choices` do not either."""
    places = places_of(sheet)
    asked = []
    if choices.numbering is None and numbering_of(places) is None:
        text = "do the addresses count from zero, as on the wire, or from one?"
        asked.append(Question(key="numbering", text=text, answers=("zero", "one"), default="zero", option="--base"))
    unsaid = any(table is None for _, table in places)
    if choices.table is None and unsaid and numbering_of(places) != "reference":
        text = "no column says which table: what are they, mostly?"
        answers = tuple(table.value for table in Table)
        asked.append(Question(key="table", text=text, answers=answers, default="holding", option="--table"))
    if choices.word_order is None and any(_needs_order(row) for row in sheet.rows):
        text = "in which order do the bytes of two registers come (ABCD: the high word first; CDAB: the low word)?"
        answers = tuple(order.value for order in WordOrder)
        asked.append(Question(key="word_order", text=text, answers=answers, default="ABCD", option="--word-order"))
    if choices.divide is None and _is_two_faced(sheet):
        text = f"`{sheet.header('scale')}`: is the register multiplied by it, or divided by it?"
        answers = ("multiply", "divide")
        asked.append(Question(key="divide", text=text, answers=answers, default="divide", option="--scale"))
    return tuple(asked)


def understand(sheet: Sheet, choices: Choices) -> Understood:
    """Make points of the rows. What is open in `choices` is taken as the questions' defaults say."""
    places = places_of(sheet)
    numbering: Numbering = choices.numbering or numbering_of(places) or "zero"
    if numbering_of(places) == "reference":
        numbering = "reference"
    found: list[Found] = []
    rejected: list[Rejected] = []
    keys: Counter[str] = Counter()
    known = _Known(sheet=sheet, choices=choices, numbering=numbering, places=places)
    for row in sheet.rows:
        try:
            found.append(_row(row, known, keys))
        except BadRow as error:
            rejected.append(Rejected(line=row.line, reason=str(error), written=row.written))
    return Understood(found=tuple(found), rejected=tuple(rejected), numbering=numbering)


def _row(row: Row, known: _Known, keys: Counter[str]) -> Found:
    sheet, choices, numbering, places = known.sheet, known.choices, known.numbering, known.places
    draft = _Draft()
    place = place_of(row, sheet)
    said = reference_table(place) if numbering == "reference" and is_reference(place) else table_of(row, place)
    table = said or choices.table or Table.HOLDING
    reads, writes = _access(row, table)
    if not reads:
        raise BadRow("it is only written: declare it by hand, with what a person may ask and its limits")
    modbus: dict[str, Any] = {"table": table.value, "address": address_of(place, numbering, places)}
    modbus |= _type(row, place, table, draft)
    kind = RegisterType(modbus["type"])
    if kind in REGISTERS and REGISTERS[kind] > 1:
        modbus["word_order"] = (_order(row) or choices.word_order or WordOrder.ABCD).value
    if kind not in {RegisterType.BOOL, RegisterType.STRING}:
        modbus |= _scale(row, sheet, choices)
    zh, en = _labels(row, table, modbus["address"], draft)
    data: dict[str, Any] = {"label": {"zh": zh, "en": en}, "modbus": modbus, "unit": _unit(row)}
    data |= _values(row, kind, modbus)
    try:
        point = Point.model_validate(data, strict=False)
    except ValidationError as error:
        raise BadRow(error.errors()[0]["msg"].removeprefix("Value error, ")) from error
    key = _key(row, table, modbus, keys)
    return Found(
        line=row.line,
        key=key,
        point=point,
        writable=writes and table.is_writable,
        description=row.get("description"),
        doubts=tuple(draft.doubts),
    )


def _access(row: Row, table: Table) -> tuple[bool, bool]:
    word = narrow(row.get("access")).lower()
    if not word:
        return True, False
    if word in {"ro", "只读"} or not table.is_writable:
        return True, False
    if word in {"wo", "只写"}:
        return False, True
    reads, writes = _READS.search(word.replace("write", "w")) is not None, _WRITES.search(word) is not None
    return reads or not writes, writes


def _word(row: Row) -> tuple[str, str]:
    """Give a type's word without the order that may stand behind it, and that order."""
    text = narrow(row.get("type")).lower()
    text = re.sub(r"\[\d+\]|\(\d+\)", "", text)
    order = re.search(r"\b(abcd|cdab|badc|dcba|big endian|little endian|word swap|swapped|大端|小端)\b", text)
    if order is not None:
        text = text.replace(order[0], "")
    return re.sub(r"[\s_\-()/,]+", "", text), order[0] if order is not None else ""


def _type(row: Row, place: Place, table: Table, draft: _Draft) -> dict[str, Any]:
    word, _ = _word(row)
    bit = _bit(row, place)
    length = _length(row, place)
    if table.is_bits:
        return {"type": "bool"}
    if not word:
        if bit is not None:
            return {"type": "bool", "bit": bit}
        kind = RegisterType.UINT32 if length == 2 else RegisterType.UINT16  # noqa: PLR2004 - registers
        draft.doubts.append(f"no type: taken as {kind}")
        return {"type": kind.value}
    if word not in TYPES:
        raise BadRow(f"{row.get('type')!r} is no type that is known here")
    kind = TYPES[word]
    if kind is RegisterType.STRING:
        if length is None:
            raise BadRow("a text needs its length in registers")
        return {"type": kind.value, "length": length}
    if kind is RegisterType.BOOL or bit is not None:
        if bit is None:
            raise BadRow("a bit of a register needs its number (0 to 15), as in a column `bit` or an address 100.3")
        return {"type": "bool", "bit": bit}
    return {"type": _as_long(kind, word, length, draft).value}


def _as_long(kind: RegisterType, word: str, length: int | None, draft: _Draft) -> RegisterType:
    """Bring a type that says only `int` to its length; doubt one that says more than that, and another length."""
    doubled = {RegisterType.INT16: RegisterType.INT32, RegisterType.UINT16: RegisterType.UINT32}
    if length == 2 and kind in doubled and word in {"int", "integer", "uint", "signed", "unsigned", "整型"}:  # noqa: PLR2004 - registers
        kind = doubled[kind]
    if length is not None and length != REGISTERS[kind] and length not in {REGISTERS[kind] * 2, REGISTERS[kind] * 16}:
        draft.doubts.append(f"its length is {length}, and {kind} takes {REGISTERS[kind]} registers")
    return kind


def _bit(row: Row, place: Place) -> int | None:
    text = narrow(row.get("bit")).lower().removeprefix("bit").strip()
    bit = int(text) if text.isdecimal() else place.bit
    if bit is not None and bit > 15:  # noqa: PLR2004 - of a register
        raise BadRow(f"bit {bit} does not exist: they go from 0 to 15")
    return bit


def _length(row: Row, place: Place) -> int | None:
    text = re.match(r"\d+", narrow(row.get("length")))
    return int(text[0]) if text is not None and int(text[0]) > 0 else place.registers


def _order(row: Row) -> WordOrder | None:
    return ORDERS.get(plain(row.get("order"))) or ORDERS.get(_word(row)[1])


def _needs_order(row: Row) -> bool:
    kind = TYPES.get(_word(row)[0])
    return kind is not None and REGISTERS.get(kind, 1) > 1 and _order(row) is None


def _is_two_faced(sheet: Sheet) -> bool:
    """Whether the scale may be meant either way: whole numbers above one, under a header that says both."""
    if "scale" not in sheet.columns or plain(sheet.header("scale")) not in DIVIDES:
        return False
    numbers = [float(text) for row in sheet.rows if _NUMBER.fullmatch(text := narrow(row.get("scale")).lower())]
    return any(number > 1 for number in numbers) and all(number >= 1 for number in numbers)


def _scale(row: Row, sheet: Sheet, choices: Choices) -> dict[str, Any]:
    text = narrow(row.get("scale")).lower().replace(" ", "")
    divides = False
    if text[:1] in {"/", "÷"} or text.startswith("1/"):
        divides, text = True, text.removeprefix("1").lstrip("/÷")
    text = text.lstrip("x*")
    if (power := re.fullmatch(r"10\^?\(?(-\d)\)?", text)) is not None:
        text = f"1e{power[1]}"
    number = _NUMBER.match(text)
    if text and number is None:
        raise BadRow(f"{row.get('scale')!r} is no scale")
    scale = float(number[0]) if number is not None else 1.0
    if scale == 0:
        raise BadRow("a scale of 0 makes every value the same")
    if divides or (_is_two_faced(sheet) and (choices.divide or choices.divide is None)):
        scale = 1 / scale
    shift = narrow(row.get("offset")).replace(" ", "")
    if shift and not _NUMBER.fullmatch(shift.lower()):
        raise BadRow(f"{row.get('offset')!r} is no offset")
    return {"scale": float(f"{scale:.12g}"), "offset": float(shift) if shift else 0.0}


def _labels(row: Row, table: Table, address: int, draft: _Draft) -> tuple[str, str]:
    name = row.get("name") or row.get("label_zh") or row.get("label_en")
    if not name:
        name = row.get("description").split("\n", maxsplit=1)[0][:40] or f"{table} {address}"
        draft.doubts.append("no name")
    zh, en = row.get("label_zh"), row.get("label_en")
    chinese = any("\u4e00" <= letter <= "\u9fff" for letter in name)
    zh, en = zh or (name if chinese or not en else ""), en or (name if not chinese or not zh else "")
    zh, en = zh or en or name, en or zh or name
    if zh == en or any("\u4e00" <= letter <= "\u9fff" for letter in en):
        draft.doubts.append(f"label: write the {'English' if chinese else 'Chinese'} text")
        zh, en = name, name
    return zh, en


def _unit(row: Row) -> str:
    unit = row.get("unit").replace("℃", "°C").replace("m3", "m³")
    return "" if unit in {"-", "—", "/", "无", "none", "None", "N/A", "n/a"} else unit


def _values(row: Row, kind: RegisterType, modbus: Mapping[str, Any]) -> dict[str, Any]:
    if kind is RegisterType.BOOL:
        return {"sample": False}
    if kind is RegisterType.STRING:
        return {"sample": ""}
    whole = not kind.is_float and float(modbus["scale"]).is_integer() and float(modbus["offset"]).is_integer()
    meanings = {code: label.strip() for code, label in _PAIR.findall(narrow(row.get("description")))} if whole else {}
    if len(meanings) > 1:
        known = {code: {"zh": label, "en": label} for code, label in meanings.items()}
        return {"enumeration": known, "sample": int(next(iter(meanings)))}
    low, high = _range(row)
    if low is None or high is None or low >= high:
        return {"sample": 0 if whole else 0.0}
    sample = min(max(0.0, low), high)
    return {"range": {"low": low, "high": high}, "sample": round(sample) if whole else sample}


def _range(row: Row) -> tuple[float | None, float | None]:
    low, high = (narrow(row.get(name)).lower() for name in ("low", "high"))
    if _NUMBER.fullmatch(low) and _NUMBER.fullmatch(high):
        return float(low), float(high)
    both = re.fullmatch(
        r"\s*([+-]?\d+(?:\.\d+)?)\s*(?:~|-|to|至|\.\.)\s*([+-]?\d+(?:\.\d+)?)\D*", narrow(row.get("range"))
    )
    return (float(both[1]), float(both[2])) if both is not None else (None, None)


def _key(row: Row, table: Table, modbus: Mapping[str, Any], keys: Counter[str]) -> str:
    word = row.get("label_en") or row.get("name")
    slug = re.sub(r"[^a-z0-9]+", "_", narrow(word).lower()).strip("_") if word.isascii() else ""
    if not re.match(r"[a-z]", slug):
        slug = f"{table}_{modbus['address']}" + (f"_bit_{modbus['bit']}" if "bit" in modbus else "")
    slug = slug[:56].rstrip("_")
    keys[slug] += 1
    return slug if keys[slug] == 1 else f"{slug}_{keys[slug]}"
