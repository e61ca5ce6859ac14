"""A device type in one file: the schema (version 1) of `profile.toml`, read by every part of Linli.

The driver reads by it, the simulator answers by it, the cloud raises alarms by it, the screens draw by it.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, SerializerFunctionWrapHandler, ValidationError, model_serializer, model_validator

from drivers.api import Value
from drivers.places.agent import AgentPoint
from drivers.places.base import Kind, Place
from drivers.places.camera import CameraPoint
from drivers.places.message import JsonDefaults, JsonPoint
from drivers.places.meters import Cjt188Point, Dlt645Point
from drivers.places.modbus import REGISTERS, ModbusPoint, RegisterType, Table, WordOrder
from drivers.places.osdp import OsdpPoint
from drivers.places.reader import ReaderDefaults, ReaderPoint
from drivers.places.thermal import ThermalPoint
from runtime.config import ConfigError, Problem, Strict, load, validate
from runtime.durations import Duration

__all__ = [
    "REGISTERS",
    "Alarm",
    "AlarmOverride",
    "Cjt188Defaults",
    "Cjt188Point",
    "Command",
    "Condition",
    "Dlt645Point",
    "FaultCode",
    "Identifier",
    "Kind",
    "KnownProtocol",
    "Label",
    "ModbusDefaults",
    "ModbusPoint",
    "Point",
    "Priority",
    "Profile",
    "Range",
    "ReadBack",
    "RegisterType",
    "Slug",
    "Table",
    "WordOrder",
    "WorkOrder",
    "WrongProtocol",
    "load_profile",
    "parse_overrides",
    "parse_profile",
]

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
PlaceOf = TypeVar("PlaceOf", bound=Place)


class Label(Strict):
    """A text for people, in Chinese and English."""

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)

    def text(self, language: str) -> str:
        """Give the text in `language`: Chinese for `zh`, English for anything else."""
        return self.zh if language == "zh" else self.en


class WrongProtocol(TypeError):
    """Code of one protocol was given a point of another: a mistake of the program."""

    def __init__(self, wanted: str) -> None:
        super().__init__(f"the point has no {wanted}")


class Range(Strict):
    """The values that a working sensor can show; anything outside is a bad reading, not an alarm."""

    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError("`low` must be less than `high`")
        return self


class Point(Strict):
    """One thing that a device measures, reports, or lets be set.

    How it is read stands in the one table that is named after the profile's protocol.
    """

    label: Label
    modbus_table: ModbusPoint | None = Field(default=None, alias="modbus")
    dlt645_table: Dlt645Point | None = Field(default=None, alias="dlt645")
    cjt188_table: Cjt188Point | None = Field(default=None, alias="cjt188")
    thermal_array_table: ThermalPoint | None = Field(default=None, alias="thermal-array")
    radiometric_table: ThermalPoint | None = Field(default=None, alias="radiometric")
    camera_table: CameraPoint | None = Field(default=None, alias="camera")
    reader_table: ReaderPoint | None = Field(default=None, alias="reader")
    osdp_table: OsdpPoint | None = Field(default=None, alias="osdp")
    json_table: JsonPoint | None = Field(default=None, alias="json")
    agent_table: AgentPoint | None = Field(default=None, alias="agent")
    unit: str = ""
    range: Range | None = None
    deadband: float = Field(default=0.0, ge=0, description="in the point's unit; a smaller change is not reported")
    poll: Duration = Field(default=timedelta(seconds=10), description="how often it is read; a device may tell sooner")
    enumeration: dict[str, Label] = Field(default_factory=dict, description="raw integer (as text) to meaning")
    sample: Value = Field(description="a plausible value: documentation shows it, simulators start from it")
    trend: bool = Field(default=False, description="shown as a curve on the device's page")
    local: bool = Field(default=False, description="never leaves the agent: only what runs there may see it")

    @property
    def tables(self) -> Mapping[str, Place]:
        """The tables that are given, by protocol; in a profile that was checked, exactly the one of its protocol."""
        given = ((protocol, getattr(self, field)) for protocol, field in _TABLES.items())
        return {protocol: table for protocol, table in given if table is not None}

    @property
    def table(self) -> Place:
        """The table that is given."""
        if self.modbus_table is not None:  # the way of a reading comes by here often
            return self.modbus_table
        for table in self.tables.values():
            return table
        raise WrongProtocol("table of any protocol")

    def at(self, kind: type[PlaceOf]) -> PlaceOf:
        """Give the table as that of one protocol; WrongProtocol when it is another's."""
        table = self.table
        if not isinstance(table, kind):
            raise WrongProtocol(kind.__name__)
        return table

    @property
    def modbus(self) -> ModbusPoint:
        """Where it lies in a Modbus device; WrongProtocol in any other."""
        return self.at(ModbusPoint)

    @property
    def value_type(self) -> Kind:
        """The Python type of the value in engineering units, whatever the protocol."""
        return self.table.value_type

    @property
    def step(self) -> float:
        """The least difference that the point shows, in its unit; 0 where it has none."""
        return self.table.step

    @property
    def writable(self) -> bool:
        """Whether a command may write to it."""
        return self.table.is_writable

    @property
    def polled(self) -> bool:
        """Whether it is read again and again: it can be read, and is no event that the device tells by itself."""
        return self.table.is_readable and not self.table.is_event

    @property
    def reported(self) -> bool:
        """Whether its readings leave the agent."""
        return self.table.is_readable and not self.local

    @property
    def event(self) -> bool:
        """Whether each reading counts for itself, also when it says the same as the one before."""
        return self.table.is_event

    @property
    def place(self) -> str:
        """Where it lies in its device, for people."""
        return self.table.where

    @model_serializer(mode="wrap")
    def _without_defaults(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out other protocols' tables, and `local` where it is false: so the hash stays what it was."""
        absent = set(_TABLES) - set(self.tables)
        absent |= {_TABLES[protocol] for protocol in absent}
        written: dict[str, Any] = dump(self)
        return {key: value for key, value in written.items() if key not in absent and (key != "local" or value)}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.tables) != 1:
            known = ", ".join(f"`{protocol}`" for protocol in _TABLES)
            raise ValueError(f"a point has exactly one table that says how it is read, one of {known}")
        if problem := self.table.unit_problem(self.unit):
            raise ValueError(problem)
        kind = self.value_type
        numeric = kind in {int, float}
        if (self.range is not None or self.deadband) and not numeric:
            raise ValueError(f"`range` and `deadband` need a number, and this point is a {kind.__name__}")
        if self.enumeration and kind is not int:
            raise ValueError(f"`enumeration` needs an integer, and this point is a {kind.__name__}")
        for key in self.enumeration:
            if not key.lstrip("-").isdigit():
                raise ValueError(f"enumeration key {key!r} is not an integer")
        if not _is_of(self.sample, kind):
            raise ValueError(f"`sample` is {self.sample!r}, and this point is a {kind.__name__}")
        if self.range is not None and not self.range.low <= float(self.sample) <= self.range.high:
            raise ValueError("`sample` lies outside `range`")
        return self


_TABLES: Mapping[str, str] = {
    field.alias: name for name, field in Point.model_fields.items() if name.endswith("_table") and field.alias
}
"""Protocols, to the fields of a point that hold their tables."""


class ReadBack(Strict):
    """The proof that a command took effect: this point shows this value (by default the one written) in time."""

    point: Identifier
    equals: Value | None = None
    tolerance: float = Field(default=0.0, ge=0)
    within: Duration


class Command(Strict):
    """Something that a person may ask of a device. Without `value` the person gives one, inside `limits`."""

    label: Label
    point: Identifier
    value: Value | None = None
    limits: Range | None = None
    read_back: ReadBack
    confirm: bool = Field(default=True, description="the screen asks again before it sends")


class Priority(StrEnum):
    """How soon somebody must act: consequence times time to respond."""

    URGENT = "urgent"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Condition(Strict):
    """A test of one point. Exactly one of the five comparisons is given."""

    point: Identifier
    above: float | None = None
    below: float | None = None
    equals: Value | None = None
    one_of: tuple[int, ...] | None = None
    not_one_of: tuple[int, ...] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [n for n in ("above", "below", "equals", "one_of", "not_one_of") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of `above`, `below`, `equals`, `one_of`, `not_one_of`")
        return self


class FaultCode(Strict):
    """One code of a device's own fault list."""

    label: Label
    cause: Label | None = None
    priority: Priority | None = None


class Alarm(Strict):
    """An abnormal condition that needs somebody to act (ISA-18.2), with what that somebody must know.

    Either `when` (all conditions hold), or `codes` on `point`: then each code is an alarm of its own.
    """

    label: Label
    when: tuple[Condition, ...] = ()
    point: Identifier | None = None
    codes: dict[str, FaultCode] = Field(default_factory=dict)
    deadband: float = Field(default=0.0, ge=0, description="a limit clears only this far on its safe side")
    on_delay: Duration
    off_delay: Duration
    priority: Priority
    latching: bool = False
    cause: Label
    consequence: Label
    response: Label
    respond_within: Duration
    work_order: Identifier | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if bool(self.when) == bool(self.codes):
            raise ValueError("an alarm has either `when` (conditions) or `codes` (with `point`)")
        if bool(self.codes) != (self.point is not None):
            raise ValueError("`codes` needs `point`, the point that shows the code, and `point` needs `codes`")
        for key in self.codes:
            if not key.isdigit():
                raise ValueError(f"code {key!r} is not a whole number")
        return self


class WorkOrder(Strict):
    """What an alarm asks somebody to do. `closes` is who may end it once the sensor is back to normal."""

    title: Label
    category: tuple[Label, Label, Label]
    skill: Slug
    arrive_within: Duration
    restore_within: Duration
    checklist: tuple[Label, ...] = ()
    closes: Literal["sensor", "person"] = "person"


class AlarmOverride(Strict):
    """What one installation changes about one alarm; it travels with the device's birth."""

    enabled: bool = True
    on_delay: Duration | None = None
    off_delay: Duration | None = None
    priority: Priority | None = None
    limits: dict[Identifier, float] = Field(default_factory=dict, description="point to its new limit")


class ModbusDefaults(Strict):
    """How this device type wants to be read."""

    max_registers: int = Field(default=125, ge=1, le=125)
    max_bits: int = Field(default=2000, ge=1, le=2000)
    max_gap: int = Field(default=8, ge=0, le=125, description="unused addresses that a block may read over")


class Cjt188Defaults(Strict):
    """How this meter type is addressed.

    `meter_type` is the byte T (10H cold water, 11H hot water, 20H heat). In the edition of 2004 the identifier 901F
    goes as 90 1F; in that of 2018, and in many meters before it, as 1F 90.
    """

    meter_type: int = Field(default=0x10, ge=0x10, le=0x49)
    edition: Literal[2004, 2018] = 2004


KnownProtocol = Literal[
    "modbus", "dlt645", "cjt188", "thermal-array", "radiometric", "camera", "reader", "osdp", "json", "agent"
]
"""What a profile's `protocol` can be; the tables of its points have the same name."""


class Profile(Strict):
    """A device type. Its `hash` names this exact content on the wire, whatever the version says."""

    schema_version: Literal[1] = Field(alias="schema")
    name: Slug
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    kind: Slug = Field(description="the family, such as 'pump' or 'elevator'")
    label: Label
    protocol: KnownProtocol
    modbus: ModbusDefaults = ModbusDefaults()
    cjt188: Cjt188Defaults = Cjt188Defaults()
    reader: ReaderDefaults = ReaderDefaults()
    json_defaults: JsonDefaults = Field(default=JsonDefaults(), alias="json")
    points: dict[Identifier, Point] = Field(min_length=1)
    commands: dict[Identifier, Command] = Field(default_factory=dict)
    alarms: dict[Identifier, Alarm] = Field(default_factory=dict)
    work_orders: dict[Identifier, WorkOrder] = Field(default_factory=dict)

    @property
    def hash(self) -> str:
        """32 hexadecimal digits over the canonical document."""
        return hashlib.blake2b(self.document().encode(), digest_size=16).hexdigest()

    def document(self) -> str:
        """Write the canonical JSON document: sorted keys, no white space."""
        data = self.model_dump(mode="json", by_alias=True)
        return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    @model_serializer(mode="wrap")
    def _without_other_protocols(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        others = {*_DEFAULTS, *_DEFAULTS.values()} - {self.protocol, _DEFAULTS.get(self.protocol)}
        written: dict[str, Any] = dump(self)
        return {key: value for key, value in written.items() if key not in others}

    @model_validator(mode="after")
    def _refers_to_what_exists(self) -> Self:
        for other, field in _DEFAULTS.items():
            if other != self.protocol and field in self.model_fields_set:
                raise ValueError(f"the table `{other}` would never be used: the protocol is {self.protocol}")
        for name, point in self.points.items():
            if self.protocol not in point.tables:
                raise ValueError(f"`{name}` needs the table `{self.protocol}`, which says how it is read")
            if self.protocol != "modbus":
                continue
            if not point.modbus.table.is_bits and point.modbus.count > self.modbus.max_registers:
                raise ValueError(
                    f"`{name}` takes {point.modbus.count} registers, and `modbus.max_registers` is "
                    f"{self.modbus.max_registers}"
                )
        self._check_messages()
        for name, command in self.commands.items():
            self._check_command(name, command)
        for name, alarm in self.alarms.items():
            self._check_alarm(name, alarm)
        return self

    def _check_messages(self) -> None:
        if self.protocol == "json":
            places = {name: point.at(JsonPoint) for name, point in self.points.items()}
            for problem in self.json_defaults.problems(places):
                raise ValueError(problem)

    def _point(self, name: str, where: str) -> Point:
        if name not in self.points:
            raise ValueError(f"{where} names the point `{name}`, which this profile does not have")
        return self.points[name]

    def _check_command(self, name: str, command: Command) -> None:
        where = f"command `{name}`"
        target = self._point(command.point, where)
        proof = self._point(command.read_back.point, f"{where}.read_back")
        if not target.writable:
            raise ValueError(f"{where} writes to `{command.point}`, which cannot be written")
        if not proof.polled:
            raise ValueError(f"{where}.read_back: `{command.read_back.point}` is never read, so it proves nothing")
        kind = target.value_type
        if command.value is not None and not _is_of(command.value, kind):
            raise ValueError(f"{where}: `value` is {command.value!r}, and `{command.point}` is a {kind.__name__}")
        if command.value is None and kind in {int, float} and command.limits is None:
            raise ValueError(f"{where} takes a number from a person, so it needs `limits`")
        if command.value is not None and command.limits is not None:
            raise ValueError(f"{where} has a fixed `value`, so `limits` would never be used")
        expected = command.read_back.equals
        if expected is not None and not _is_of(expected, proof.value_type):
            raise ValueError(f"{where}.read_back.equals is {expected!r}: `{command.read_back.point}` never shows that")

    def _check_alarm(self, name: str, alarm: Alarm) -> None:
        where = f"alarm `{name}`"
        if alarm.work_order is not None and alarm.work_order not in self.work_orders:
            raise ValueError(f"{where} names the work order `{alarm.work_order}`, which this profile does not have")
        if alarm.point is not None and self._point(alarm.point, where).value_type is not int:
            raise ValueError(f"{where}: codes need an integer point")
        for condition in alarm.when:
            kind = self._point(condition.point, where).value_type
            if (condition.above is not None or condition.below is not None) and kind not in {int, float}:
                raise ValueError(f"{where}: `above` and `below` need a number, and `{condition.point}` is none")
            if (condition.one_of or condition.not_one_of) and kind is not int:
                raise ValueError(f"{where}: `one_of` and `not_one_of` need an integer point")
            if condition.equals is not None and not _is_of(condition.equals, kind):
                raise ValueError(f"{where}: `{condition.point}` never equals {condition.equals!r}")


_DEFAULTS: Mapping[str, str] = {"modbus": "modbus", "cjt188": "cjt188", "reader": "reader", "json": "json_defaults"}
"""Protocols, to the fields of a profile that say how all its points are read."""


def _is_of(value: Value, kind: Kind) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is kind


def load_profile(file: Path) -> Profile:
    """Read a `profile.toml`; ConfigError lists what is wrong, with a suggestion for a misspelt key."""
    return load(file, Profile)


def parse_profile(document: str, *, source: str) -> Profile:
    """Read a profile from its JSON document, as it travels on the wire; ConfigError says what is wrong."""
    try:
        data: Any = json.loads(document)
    except ValueError as error:
        problem = Problem(key="", message=f"not valid JSON: {error}", remedy="send the profile's canonical document")
        raise ConfigError(source, (problem,)) from error
    if not isinstance(data, dict):
        raise ConfigError(source, (Problem(key="", message="not a JSON object", remedy="send a profile"),))
    return validate(source, data, Profile)


def parse_overrides(document: str) -> dict[str, AlarmOverride]:
    """Read the alarm overrides of one device from JSON; ValueError says what is wrong."""
    try:
        data = json.loads(document)
        return {name: AlarmOverride.model_validate_json(json.dumps(item)) for name, item in data.items()}
    except (ValueError, ValidationError, AttributeError, TypeError) as error:
        raise ValueError(f"alarm overrides are not readable: {error}") from error
