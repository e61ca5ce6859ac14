"""Between the agent's values and Sparkplug metrics: births, records, tombstones (docs/CONTRACT.md). Pure."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from drivers.api import Quality, Reading
from drivers.profile import Kind, Point, Profile
from edge.clock import TimeQuality
from edge.identity import DeviceIdentity
from edge.records import Gap, Record
from wire import contract
from wire.datatypes import DataType, Value
from wire.payload import ENG_HIGH, ENG_LOW, ENG_UNIT, QUALITY, Metric, Property, quality_property
from wire.payload import Quality as WireQuality

DATATYPE_OF: Mapping[Kind, DataType] = {
    bool: DataType.BOOLEAN,
    int: DataType.INT64,
    float: DataType.DOUBLE,
    str: DataType.STRING,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class JournalPlace:
    """Which journal, the first offset that the cloud has not acknowledged, and the last that was given out.

    `former` is what is known of the journal that this one takes the place of, as JSON, or empty.
    """

    journal_id: str
    first: int
    last: int
    former: str = ""


def node_birth(
    *, place: JournalPlace, version: str, revision: str, token: str, bus_figures: Iterable[str] = ()
) -> list[Metric]:
    """Give what NBIRTH declares, beside what `EdgeNode` adds itself. The figures of buses have no values yet."""
    values: dict[str, Value | None] = {
        contract.JOURNAL_ACK: None,
        contract.PROFILE_REQUEST: None,
        contract.PROFILE_DOCUMENT: None,
        contract.JOURNAL_ID: place.journal_id,
        contract.JOURNAL_OFFSET: place.last,
        contract.JOURNAL_FIRST: place.first,
        contract.JOURNAL_GAP_TO: None,
        contract.JOURNAL_GAP_DETAIL: None,
        contract.JOURNAL_FORMER: place.former or None,
        contract.COMMAND_TOKEN: token,
        contract.AGENT_VERSION: version,
        contract.AGENT_CONFIG_REVISION: revision,
    }
    return [*(_ours(name, value) for name, value in values.items()), *bus_metrics(dict.fromkeys(bus_figures))]


def device_birth(*, place: JournalPlace, identity: DeviceIdentity, last: Callable[[str], Reading]) -> list[Metric]:
    """Give what DBIRTH declares; `last` gives what each point last showed."""
    profile = identity.profile
    values: dict[str, Value | None] = {
        contract.JOURNAL_ID: place.journal_id,
        contract.JOURNAL_OFFSET: place.last,
        contract.PROFILE_NAME: profile.name,
        contract.PROFILE_VERSION: profile.version,
        contract.PROFILE_HASH: identity.profile_hash,
        contract.DEVICE_LABEL: _json(identity.label.model_dump()),
        contract.DEVICE_PLACE: identity.place,
        contract.ALARM_OVERRIDES: _json(
            {name: override.model_dump(mode="json") for name, override in identity.overrides.items()}
        ),
        contract.COMMAND_ID: None,
        contract.COMMAND_TOKEN: None,
        contract.COMMAND_TIMEOUT_MS: None,
        contract.COMMAND_OUTCOME: None,
        contract.COMMAND_DETAIL: None,
        contract.TIME_QUALITY: None,
    }
    metrics = [_ours(name, value) for name, value in values.items()]
    for name, command in profile.commands.items():
        kind = bool if command.value is not None else profile.points[command.point].value_type
        metrics.append(Metric(name=contract.command_metric(name), datatype=DATATYPE_OF[kind]))
    for name, point in profile.points.items():
        if point.reported:
            # An event is no state: said again in a birth, it would look as if it had happened again.
            shown = Reading(point=name, value=None, quality=Quality.GOOD, at_ms=0) if point.event else last(name)
            metrics.append(_point(shown, point, extra=_engineering(point)))
    return metrics


def record_metrics(record: Record, profile: Profile, *, journal_id: str, historical: bool) -> tuple[list[Metric], int]:
    """Give a record's DDATA, and how many readings the present profile has no place for."""
    values: dict[str, Value | None] = {contract.JOURNAL_ID: journal_id, contract.JOURNAL_OFFSET: record.offset}
    if record.result is not None:
        values[contract.COMMAND_ID] = record.result.command_id
        values[contract.COMMAND_OUTCOME] = record.result.outcome.value
        values[contract.COMMAND_DETAIL] = record.result.detail
    if record.time is not TimeQuality.GOOD:
        values[contract.TIME_QUALITY] = record.time.value
    metrics = [_ours(name, value, at_ms=record.at_ms, historical=historical) for name, value in values.items()]
    points = profile.points
    readable = [r for r in record.readings if r.point in points and _fits(r, points[r.point])]
    metrics += [_point(reading, points[reading.point], historical=historical) for reading in readable]
    return metrics, len(record.readings) - len(readable)


def gap_metrics(gap: Gap, *, journal_id: str) -> list[Metric]:
    """Give a tombstone's NDATA."""
    values: dict[str, Value | None] = {
        contract.JOURNAL_ID: journal_id,
        contract.JOURNAL_OFFSET: gap.first,
        contract.JOURNAL_GAP_TO: gap.last,
        contract.JOURNAL_GAP_DETAIL: None if gap.loss is None else gap.loss.document(),
    }
    return [_ours(name, value) for name, value in values.items()]


def token_metrics(token: str) -> list[Metric]:
    """Give the NDATA that makes a token known."""
    return [_ours(contract.COMMAND_TOKEN, token)]


def bus_metrics(figures: Mapping[str, Value | None]) -> list[Metric]:
    """Give the figures of buses."""
    return [Metric(name=name, datatype=DataType.DOUBLE, value=value) for name, value in figures.items()]


def document_metrics(profile: Profile) -> list[Metric]:
    """Give the NDATA that answers a profile request."""
    return [_ours(contract.PROFILE_DOCUMENT, profile.document())]


def _ours(name: str, value: Value | None, *, at_ms: int | None = None, historical: bool = False) -> Metric:
    return Metric(
        name=name, datatype=contract.DATATYPES[name], value=value, timestamp_ms=at_ms, is_historical=historical
    )


def _point(
    reading: Reading, point: Point, *, historical: bool = False, extra: Mapping[str, Property] | None = None
) -> Metric:
    properties = dict(extra or {})
    if reading.quality is not Quality.GOOD:
        properties[QUALITY] = quality_property(WireQuality(int(reading.quality)))
    return Metric(
        name=reading.point,
        datatype=DATATYPE_OF[point.value_type],
        value=reading.value,
        timestamp_ms=reading.at_ms or None,
        is_historical=historical,
        properties=properties,
    )


def _engineering(point: Point) -> dict[str, Property]:
    properties: dict[str, Property] = {}
    if point.unit:
        properties[ENG_UNIT] = Property(datatype=DataType.STRING, value=point.unit)
    if point.range is not None:
        properties[ENG_LOW] = Property(datatype=DataType.DOUBLE, value=point.range.low)
        properties[ENG_HIGH] = Property(datatype=DataType.DOUBLE, value=point.range.high)
    return properties


def _fits(reading: Reading, point: Point) -> bool:
    if not point.reported:
        return False  # it was under an earlier profile; no birth declares it now
    kind = point.value_type
    if reading.value is None or type(reading.value) is kind:
        return True
    return kind is float and type(reading.value) is int


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
