"""Topics: templates that are filled in, filters, and who wants which message. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from drivers.places.message import PLACEHOLDER

Target = TypeVar("Target")


def fill(template: str, variables: Mapping[str, str]) -> str:
    """Fill in a template; KeyError names a variable that is not there."""
    return PLACEHOLDER.sub(lambda found: variables[found[1]], template)


def filter_of(template: str, variables: Mapping[str, str]) -> str:
    """Make the filter to subscribe to: a level with a variable that nobody says matches any.

    ValueError when the rest of such a level is not empty, because a filter cannot say that.
    """
    levels = []
    for level in template.split("/"):
        unknown = [name for name in PLACEHOLDER.findall(level) if name not in variables]
        if unknown and level != f"{{{unknown[0]}}}":
            raise ValueError(f"the bus has to say `variables.{unknown[0]}`, which is only a part of a topic's level")
        levels.append("+" if unknown else fill(level, variables))
    return "/".join(levels)


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a topic is one of a filter's (MQTT 3.1.1, section 4.7)."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if levels[0].startswith("$") and wanted[0] in {"+", "#"}:
        return False
    for i, level in enumerate(wanted):
        if level == "#":
            return True
        if i >= len(levels) or level not in {"+", levels[i]}:
            return False
    return len(wanted) == len(levels)


@dataclass(slots=True)
class _Level(Generic[Target]):
    below: "dict[str, _Level[Target]]" = field(default_factory=dict)
    here: list[Target] = field(default_factory=list)


class Router(Generic[Target]):
    """Who wants the messages of which filters. A look-up takes as long as the topic has levels."""

    def __init__(self) -> None:
        self._root: _Level[Target] = _Level()

    def add(self, topic_filter: str, target: Target) -> None:
        """Have the messages of a filter."""
        level = self._root
        for name in topic_filter.split("/"):
            level = level.below.setdefault(name, _Level())
        level.here.append(target)

    def find(self, topic: str) -> tuple[Target, ...]:
        """Give those who want a message."""
        return tuple(_find(self._root, topic.split("/"), 0))


def _find(level: _Level[Target], names: list[str], at: int) -> Iterator[Target]:
    hidden = at == 0 and names[0].startswith("$")
    if (rest := level.below.get("#")) is not None and not hidden:
        yield from rest.here
    if at == len(names):
        yield from level.here
        return
    for name in (names[at],) if hidden else (names[at], "+"):
        if (deeper := level.below.get(name)) is not None:
            yield from _find(deeper, names, at + 1)


def covering(filters: Iterable[str]) -> tuple[str, ...]:
    """Leave out filters whose every topic another one has too: a broker may send a message once for each of both."""
    given = sorted(set(filters))
    root: _Level[str] = _Level()
    for one in given:
        level = root
        for name in one.split("/"):
            level = level.below.setdefault(name, _Level())
        level.here.append(one)
    return tuple(one for one in given if all(wider == one for wider in _wider(root, one.split("/"), 0)))


def _wider(level: _Level[str], names: list[str], at: int) -> Iterator[str]:
    """Give the filters that have every topic of the filter `names`, itself among them."""
    hidden = at == 0 and names[0].startswith("$")
    if (rest := level.below.get("#")) is not None and not hidden:
        yield from rest.here
    if at == len(names):
        yield from level.here
    elif names[at] != "#":
        for name in {names[at]} if hidden else {names[at], "+"}:
            if (deeper := level.below.get(name)) is not None:
                yield from _wider(deeper, names, at + 1)
