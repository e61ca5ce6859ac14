"""Templates: what an instance may hold is what its definition in the NBIRTH declared (Sparkplug 3.0, 6.4.14)."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from wire.datatypes import DataType, read_value, write_value
from wire.errors import WrongType
from wire.metrics import METRIC_READERS
from wire.values import Metric, Parameter, Template

Definitions = Mapping[str, Template]
"""The definitions of one node, by the names of their metrics."""

NO_DEFINITIONS: Definitions = {}


def definitions_of(metrics: Iterable[Metric]) -> dict[str, Template]:
    """Return the definitions among the metrics of an NBIRTH."""
    return {
        metric.name: metric.value
        for metric in metrics
        if metric.name and isinstance(metric.value, Template) and metric.value.is_definition
    }


def check_definition(definition: Template) -> None:
    """Refuse a definition whose members or parameters could not be told apart; raises WrongType."""
    for what, names in (
        ("member", [metric.name for metric in definition.metrics]),
        ("parameter", [parameter.name for parameter in definition.parameters]),
    ):
        if not all(names):
            raise WrongType(f"a {what} of a Template definition needs a name")
        if len(set(names)) != len(names):
            raise WrongType(f"a Template definition names a {what} twice")
    if any(metric.datatype is None for metric in definition.metrics):
        raise WrongType("a member of a Template definition needs a data type")


def check_instance(instance: Template, definitions: Definitions, *, whole: bool) -> None:
    """Refuse an instance that its definition does not allow; a birth's has to be `whole`. Raises WrongType."""
    definition = definition_of(instance, definitions)
    declared = {metric.name: metric for metric in definition.metrics}
    for member in instance.metrics:
        kind = declared.get(member.name)
        if kind is None:
            raise WrongType(f"{instance.ref} defines no member {member.name}")
        if member.datatype is not kind.datatype:
            raise WrongType(f"{instance.ref} defines {member.name} as another type")
        if isinstance(member.value, Template):
            check_instance(member.value, definitions, whole=whole)
    missing = declared.keys() - {member.name for member in instance.metrics}
    if whole and missing:
        raise WrongType(f"an instance of {instance.ref} in a birth lacks {', '.join(sorted(map(str, missing)))}")
    parameters = {parameter.name: parameter.datatype for parameter in definition.parameters}
    for parameter in instance.parameters:
        if parameters.get(parameter.name) is not parameter.datatype:
            raise WrongType(f"{instance.ref} defines no such parameter {parameter.name}")


def definition_of(instance: Template, definitions: Definitions) -> Template:
    """Find an instance's definition; raises WrongType."""
    definition = definitions.get(instance.ref or "")
    if definition is None:
        raise WrongType(f"the node's birth defines no template {instance.ref!r}")
    return definition


def resolve_instance(instance: Template, definitions: Definitions) -> Template:
    """Give the members of an instance, as it was read, the data types of its definition; raises WrongType."""
    definition = definition_of(instance, definitions)
    declared = {metric.name: metric for metric in definition.metrics}
    members = tuple(_resolved(member, declared.get(member.name), instance, definitions) for member in instance.metrics)
    kinds = {parameter.name: parameter.datatype for parameter in definition.parameters}
    parameters = tuple(_parameter(one, kinds.get(one.name), instance) for one in instance.parameters)
    return replace(instance, metrics=members, parameters=parameters)


def _resolved(member: Metric, declared: Metric | None, instance: Template, definitions: Definitions) -> Metric:
    if declared is None or declared.datatype is None:
        raise WrongType(f"{instance.ref} defines no member {member.name}")
    typed = resolve_metric(member, name=declared.name, alias=member.alias, datatype=declared.datatype)
    if isinstance(typed.value, Template):
        return replace(typed, value=resolve_instance(typed.value, definitions))
    return typed


def _parameter(parameter: Parameter, kind: DataType | None, instance: Template) -> Parameter:
    if kind is None:
        raise WrongType(f"{instance.ref} defines no parameter {parameter.name}")
    if parameter.value is not None:
        write_value(kind, parameter.value)
    return replace(parameter, datatype=kind)


def resolve_metric(metric: Metric, *, name: str | None, alias: int | None, datatype: DataType) -> Metric:
    """Give a metric of DATA the name, alias and data type of its birth; raises WrongType when it does not fit."""
    value = metric.value
    if metric.datatype is not None and metric.datatype is not datatype:
        raise WrongType(f"{name} was born as {datatype.name}, its data is {metric.datatype.name}")
    if value is not None and metric.datatype is None:
        if metric.held is None:
            raise WrongType(f"{name} has a value from no field")
        if metric.held in {"dataset_value", "template_value"}:
            if metric.held not in METRIC_READERS[datatype]:
                raise WrongType(f"a value of type {datatype.name} came in {metric.held}")
        else:
            value = read_value(datatype, metric.held, value)
    return replace(metric, name=name, alias=alias, datatype=datatype, value=value, held=None)
