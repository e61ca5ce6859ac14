"""Values of ours as JSON's types. Pure."""

import dataclasses
from collections.abc import Mapping


def plain(value: object) -> object:
    """Give dicts, lists, text, numbers, booleans and None for dataclasses, mappings, tuples and enumerations."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return str(value) if isinstance(value, str) else value
