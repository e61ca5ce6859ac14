"""What a birth declares, how it is read, and how DATA and commands are read by it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wire.datatypes import READERS, DataType, Value
from wire.errors import MalformedPayload, WrongType
from wire.payload import NO_PROPERTIES, Metric, MetricMessage, label, read_metric, read_properties
from wire.sparkplug_b_pb2 import Payload as PayloadMessage


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """What a birth said of one metric; `problem` is why its values cannot be read, None when they can."""

    name: str
    device: str | None
    alias: int | None
    datatype: DataType
    problem: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """A metric that could not be read: its name, or its alias in decimal, or None when it has neither."""

    metric: str | None
    reason: str
    unknown: bool = False  # not in the current birth, as opposed to known and unreadable


@dataclass(kw_only=True, slots=True)
class Births:
    """The metrics that a node and its devices declared; `by_name` has None as the key of the node itself."""

    by_alias: dict[int, Declared] = field(default_factory=dict)
    by_name: dict[str | None, dict[str, Declared]] = field(default_factory=dict)

    def forget(self, device: str | None) -> None:
        """Drop one device's metrics; for the node itself, drop everything."""
        if device is None:
            self.by_alias.clear()
            self.by_name.clear()
            return
        for declared in self.by_name.pop(device, {}).values():
            if declared.alias is not None:
                del self.by_alias[declared.alias]

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
            datatype, problem = DataType.UNKNOWN, None
            try:
                metric = read_metric(found)
                if metric.datatype is None:
                    raise WrongType("the birth names no data type")  # noqa: TRY301 one way out for every refusal of this metric
                if metric.datatype not in READERS:
                    raise WrongType(f"values of type {metric.datatype.name} are not supported")  # noqa: TRY301 likewise
                datatype = metric.datatype
                good.append(metric if metric.timestamp_ms is not None else _stamped(metric, fallback_ms))
            except WrongType as error:
                refused.append(Refusal(metric=name, reason=str(error)))
                datatype = _readable_type(found)
                problem = None if datatype in READERS else str(error)
            declared = names[name] = Declared(name=name, device=device, alias=alias, datatype=datatype, problem=problem)
            if alias is not None:
                taken = aliases.get(alias) or self.by_alias.get(alias)
                if taken is not None:
                    raise MalformedPayload(f"the alias {alias} of {name} is that of {_place(taken)} already")
                aliases[alias] = declared
        self.by_name[device] = names
        self.by_alias.update(aliases)
        return tuple(good), refused


def _readable_type(found: MetricMessage) -> DataType:
    """Return the type that the birth names even when its first value was wrong: later values may be right."""
    number = found.datatype
    return next((kind for kind in READERS if kind == number), DataType.UNKNOWN)


def _place(declared: Declared) -> str:
    return declared.name if declared.device is None else f"{declared.name} of device {declared.device}"


def _stamped(metric: Metric, at_ms: int) -> Metric:
    return Metric(
        name=metric.name,
        alias=metric.alias,
        datatype=metric.datatype,
        value=metric.value,
        timestamp_ms=at_ms,
        is_historical=metric.is_historical,
        properties=metric.properties,
    )


def read_declared(
    metrics: Iterable[MetricMessage],
    by_alias: Mapping[int, Declared],
    by_name: Mapping[str, Declared],
    device: str | None,
    fallback_ms: int,
) -> tuple[tuple[Metric, ...], list[Refusal]]:
    """Read DATA or command metrics by what the birth declared: ingest's hot path, one pass, no intermediate values.

    `by_name` holds the device's (or the node's own) metrics, `by_alias` those of the whole node. `fallback_ms` stands
    in for a missing timestamp.
    """
    good: list[Metric] = []
    refused: list[Refusal] = []
    for found in metrics:
        alias = found.alias
        declared = by_alias.get(alias) if alias or found.HasField("alias") else by_name.get(found.name)
        if declared is None or declared.device != device:
            refused.append(Refusal(metric=label(found), reason="the metric is not in the current birth", unknown=True))
            continue
        datatype = declared.datatype
        try:
            if declared.problem is not None:
                raise WrongType(declared.problem)  # noqa: TRY301 one way out for every refusal of this metric
            said = found.datatype
            if said and said != datatype:
                raise WrongType(f"born as {datatype.name}, the data says {_type_name(said)}")  # noqa: TRY301 likewise
            value: Value | None = None
            if not found.is_null:
                where = found.WhichOneof("value")
                if where is None:
                    raise WrongType("the metric has neither a value nor is_null")  # noqa: TRY301 likewise
                fields = READERS[datatype]
                if where not in fields:
                    raise WrongType(f"a value of type {datatype.name} came in {where}")  # noqa: TRY301 likewise
                reader = fields[where]
                value = getattr(found, where) if reader is None else reader(getattr(found, where))
            good.append(
                Metric(
                    name=declared.name,
                    alias=declared.alias,
                    datatype=datatype,
                    value=value,
                    timestamp_ms=found.timestamp or fallback_ms,
                    is_historical=found.is_historical,
                    properties=read_properties(found) if found.HasField("properties") else NO_PROPERTIES,
                )
            )
        except WrongType as error:
            refused.append(Refusal(metric=declared.name, reason=str(error)))
    return tuple(good), refused


def _type_name(number: int) -> str:
    return DataType(number).name if number in DataType.__members__.values() else str(number)
