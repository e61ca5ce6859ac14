"""What a birth declares, how it is read, and how DATA and commands are read by it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from wire.datatypes import DataType
from wire.errors import MalformedPayload, WrongType
from wire.metrics import (
    METRIC_READERS,
    MetricMessage,
    label,
    read_metadata,
    read_metric,
    read_properties,
    read_template,
)
from wire.sparkplug_b_pb2 import Payload as PayloadMessage
from wire.templates import NO_DEFINITIONS, Definitions, check_definition, definitions_of, resolve_instance
from wire.values import NO_PROPERTIES, Metric, MetricValue, Template, received_metric

Readers = Mapping[str, Callable[[Any], Any] | None]
_NO_READERS: Readers = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """What a birth said of one metric; `problem` is why its values cannot be read, None when they can.

    `readers` is the row of METRIC_READERS for its data type.
    """

    name: str
    device: str | None
    alias: int | None
    datatype: DataType
    problem: str | None = None
    readers: Readers = field(repr=False, compare=False)


def declared(
    name: str, device: str | None, alias: int | None, datatype: DataType, problem: str | None = None
) -> Declared:
    """Make what DATA is read by."""
    readers = METRIC_READERS.get(datatype, _NO_READERS)
    return Declared(name=name, device=device, alias=alias, datatype=datatype, problem=problem, readers=readers)


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """A metric that could not be read: its name, or its alias in decimal, or None when it has neither."""

    metric: str | None
    reason: str
    unknown: bool = False  # not in the current birth, as opposed to known and unreadable


@dataclass(kw_only=True, slots=True)
class Births:
    """The metrics that a node and its devices declared; `by_name` has None as the key of the node itself.

    `definitions` are the Templates that the node's birth defined, for the node and all its devices.
    """

    by_alias: dict[int, Declared] = field(default_factory=dict)
    by_name: dict[str | None, dict[str, Declared]] = field(default_factory=dict)
    definitions: Definitions = field(default_factory=lambda: NO_DEFINITIONS)

    def forget(self, device: str | None) -> None:
        """Drop one device's metrics; for the node itself, drop everything."""
        if device is None:
            self.by_alias.clear()
            self.by_name.clear()
            self.definitions = NO_DEFINITIONS
            return
        for one in self.by_name.pop(device, {}).values():
            if one.alias is not None:
                del self.by_alias[one.alias]

    def declare(
        self, device: str | None, message: PayloadMessage, fallback_ms: int
    ) -> tuple[tuple[Metric, ...], list[Refusal]]:
        """Take a birth in place of the device's last one, and return its metrics and those that cannot be read.

        Raises MalformedPayload, with nothing declared for the device, when a name or an alias comes twice. A metric
        that cannot be read stays declared with its problem, so that its data is quarantined without asking for yet
        another birth.
        """
        self.forget(device)
        good: list[Metric] = []
        refused: list[Refusal] = []
        names: dict[str, Declared] = {}
        aliases: dict[int, Declared] = {}
        for found in message.metrics:
            name = found.name
            if not name or not isinstance(name, str):
                refused.append(Refusal(metric=label(found), reason="a metric of a birth needs a name in UTF-8"))
                continue
            if name in names:
                raise MalformedPayload(f"the birth names the metric {name} twice")
            alias = found.alias if found.HasField("alias") else None
            problem = None
            try:
                metric = _read_born(found, fallback_ms)
                datatype = metric.datatype or DataType.UNKNOWN
                good.append(metric)
            except WrongType as error:
                refused.append(Refusal(metric=name, reason=str(error)))
                datatype = _readable_type(found)
                problem = None if datatype in METRIC_READERS else str(error)
            one = names[name] = declared(name, device, alias, datatype, problem)
            if alias is not None:
                taken = aliases.get(alias) or self.by_alias.get(alias)
                if taken is not None:
                    raise MalformedPayload(f"the alias {alias} of {name} is that of {_place(taken)} already")
                aliases[alias] = one
        if device is None:
            self.definitions = definitions_of(good)
        metrics = tuple(self._known_templates(device, good, refused))
        self.by_name[device] = names
        self.by_alias.update(aliases)
        return metrics, refused

    def _known_templates(self, device: str | None, metrics: list[Metric], refused: list[Refusal]) -> Iterator[Metric]:
        """Give the metrics of a birth, with the members of Templates as their definitions have them."""
        for metric in metrics:
            value = metric.value
            if not isinstance(value, Template):
                yield metric
                continue
            try:
                if not value.is_definition:
                    yield replace(metric, value=resolve_instance(value, self.definitions))
                    continue
                if device is not None:
                    raise WrongType("a Template is defined in the birth of the node only")  # noqa: TRY301 one way out for every refusal of this metric
                check_definition(value)
                yield metric
            except WrongType as error:
                refused.append(Refusal(metric=metric.name, reason=str(error)))


def _read_born(found: MetricMessage, fallback_ms: int) -> Metric:
    metric = read_metric(found)
    if metric.datatype is None:
        raise WrongType("the birth names no data type")
    if metric.datatype not in METRIC_READERS:
        raise WrongType(f"a metric cannot be of type {metric.datatype.name}")
    return metric if metric.timestamp_ms is not None else replace(metric, timestamp_ms=fallback_ms)


def _readable_type(found: MetricMessage) -> DataType:
    """Return the type that the birth names even when its first value was wrong: later values may be right."""
    number = found.datatype
    return next((kind for kind in METRIC_READERS if kind == number), DataType.UNKNOWN)


def _place(one: Declared) -> str:
    return one.name if one.device is None else f"{one.name} of device {one.device}"


def read_declared(
    metrics: Iterable[MetricMessage],
    by_alias: Mapping[int, Declared],
    by_name: Mapping[str, Declared],
    device: str | None,
    fallback_ms: int,
    *,
    definitions: Definitions,
) -> tuple[tuple[Metric, ...], list[Refusal]]:
    """Read DATA or command metrics by what the birth declared: ingest's hot path, one pass, no intermediate values.

    `by_name` holds the device's (or the node's own) metrics, `by_alias` those of the whole node. `fallback_ms` stands
    in for a missing timestamp.
    """
    good: list[Metric] = []
    refused: list[Refusal] = []
    for found in metrics:
        alias = found.alias
        one = by_alias.get(alias) if alias or found.HasField("alias") else by_name.get(found.name)
        if one is None or one.device != device:
            refused.append(Refusal(metric=label(found), reason="the metric is not in the current birth", unknown=True))
            continue
        datatype = one.datatype
        try:
            if one.problem is not None:
                raise WrongType(one.problem)  # noqa: TRY301 one way out for every refusal of this metric
            said = found.datatype
            if said and said != datatype:
                raise WrongType(f"born as {datatype.name}, the data says {_type_name(said)}")  # noqa: TRY301 likewise
            value: MetricValue | None = None
            if not found.is_null:
                where = found.WhichOneof("value")
                if where is None:
                    raise WrongType("the metric has neither a value nor is_null")  # noqa: TRY301 likewise
                readers = one.readers
                if where not in readers:
                    raise WrongType(f"a value of type {datatype.name} came in {where}")  # noqa: TRY301 likewise
                reader = readers[where]
                value = getattr(found, where) if reader is None else reader(getattr(found, where))
                if reader is read_template:
                    value = _instance(value, definitions)
            good.append(
                received_metric(
                    one.name,
                    one.alias,
                    datatype,
                    value,
                    found.timestamp or fallback_ms,
                    found.is_historical,
                    read_properties(found.properties) if found.HasField("properties") else NO_PROPERTIES,
                    found.is_transient,
                    read_metadata(found) if found.HasField("metadata") else None,
                )
            )
        except WrongType as error:
            refused.append(Refusal(metric=one.name, reason=str(error)))
    return tuple(good), refused


def _instance(value: MetricValue, definitions: Definitions) -> Template:
    if not isinstance(value, Template) or value.is_definition:
        raise WrongType("a Template is defined in the birth of the node only")
    return resolve_instance(value, definitions)


def _type_name(number: int) -> str:
    return DataType(number).name if number in DataType.__members__.values() else str(number)
