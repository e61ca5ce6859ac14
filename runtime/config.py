"""Loading TOML into strict models, with errors that name the file, the key and the remedy."""

import difflib
import json
import tomllib
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo


class Strict(BaseModel):
    """The base of every configuration and wire model: immutable, and a key that nobody knows is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing wrong in a file: where (a dotted key, empty for the whole file), what, and what to do about it."""

    key: str
    message: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.key}: " if self.key else ""
        return f"{where}{self.message} ({self.remedy})"


class ConfigError(Exception):
    """A file that cannot be used; `problems` lists every mistake found in it."""

    def __init__(self, file: Path | str, problems: tuple[Problem, ...]) -> None:
        self.file = str(file)
        self.problems = problems
        super().__init__("\n".join(f"{file}: {problem}" for problem in problems))


def read_toml(file: Path) -> dict[str, Any]:
    """Read a TOML file; ConfigError when it is absent, unreadable, or half-written, with the line of the damage."""
    data = b""
    try:
        data = file.read_bytes()
        return tomllib.loads(data.decode("utf-8"))
    except FileNotFoundError as error:
        problem = Problem(key="", message="no such file", remedy="check the path")
        raise ConfigError(file, (problem,)) from error
    except tomllib.TOMLDecodeError as error:
        last = len(data.splitlines())
        why = str(error).replace("at end of document", f"at line {last}, the end of the file")
        problem = Problem(key="", message=f"not valid TOML: {why}", remedy="complete or correct that line")
        raise ConfigError(file, (problem,)) from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"not UTF-8 text: {error.reason} (at line {line})"
        raise ConfigError(file, (Problem(key="", message=message, remedy="correct that line"),)) from error
    except OSError as error:
        problem = Problem(key="", message=f"cannot be read: {error}", remedy="it must be a readable UTF-8 text file")
        raise ConfigError(file, (problem,)) from error


def load(file: Path, model: type[Model]) -> Model:
    """Read `file` into `model`; ConfigError lists every mistake at once."""
    return validate(file, read_toml(file), model)


def validate(file: Path | str, data: Mapping[str, Any], model: type[Model]) -> Model:
    """Check `data`, which came from `file`, against `model`; ConfigError lists every mistake at once."""
    try:
        # By JSON's rules, because TOML too has text and arrays where a strict model has enumerations and tuples.
        return model.model_validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        raise ConfigError(file, tuple(_problems(error, model))) from error


def _problems(error: ValidationError, model: type[BaseModel]) -> Iterator[Problem]:
    for detail in error.errors():
        loc = detail["loc"]
        key = ".".join(str(part) for part in _without_tags(model, loc))
        kind = detail["type"]
        if kind == "extra_forbidden":
            yield Problem(key=key, message="unknown key", remedy=_suggest(str(loc[-1]), _names_at(model, loc[:-1])))
        elif kind == "missing":
            yield Problem(key=key, message="missing", remedy=f"add `{loc[-1]}`")
        elif kind in {"enum", "literal_error"}:
            expected = str(detail.get("ctx", {}).get("expected", ""))
            given = detail["input"]
            yield Problem(key=key, message=f"{given!r} is not a choice", remedy=f"use one of {expected}")
        else:
            message = detail["msg"].removeprefix("Value error, ")
            yield Problem(key=key, message=message, remedy=f"it is now {_shorten(detail['input'])}")


def _shorten(value: object, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _suggest(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{close[0]}`?"
    return f"remove it; known keys: {', '.join(sorted(known))}" if known else "remove it"


def _names_at(annotation: Any, loc: tuple[int | str, ...]) -> tuple[str, ...]:  # noqa: ANN401 - any type expression
    """Field names that the model accepts at a place in its tree, as pydantic's error gives the place."""
    for candidate in _unwrap(annotation):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            if not loc:
                return tuple(_fields(candidate))
            field = _fields(candidate).get(str(loc[0]))
            # Within a discriminated union, the place names the chosen model by its tag.
            inner, rest = (field.annotation, loc[1:]) if field is not None else (candidate, loc[1:])
            if (field is not None or _has_tag(candidate, loc[0])) and (found := _names_at(inner, rest)):
                return found
        elif loc and (arguments := get_args(candidate)):
            inner = arguments[-1] if arguments[-1] is not Ellipsis else arguments[0]
            if found := _names_at(inner, loc[1:]):
                return found
    return ()


def _without_tags(annotation: Any, loc: tuple[int | str, ...]) -> tuple[int | str, ...]:  # noqa: ANN401 - any type
    """Leave out of a place what no file contains: the tags by which pydantic names the kinds of a union."""
    for candidate in _unwrap(annotation):
        if not loc:
            return ()
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            if (field := _fields(candidate).get(str(loc[0]))) is not None:
                return (loc[0], *_without_tags(field.annotation, loc[1:]))
            if _has_tag(candidate, loc[0]):
                return _without_tags(candidate, loc[1:])
        elif arguments := get_args(candidate):
            inner = arguments[-1] if arguments[-1] is not Ellipsis else arguments[0]
            return (loc[0], *_without_tags(inner, loc[1:]))
    return loc


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Give the fields by the names that a file uses."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _has_tag(model: type[BaseModel], tag: int | str) -> bool:
    literals = (field.annotation for field in model.model_fields.values() if get_origin(field.annotation) is Literal)
    return any(tag in get_args(literal) for literal in literals)


def _unwrap(annotation: Any) -> Iterator[Any]:  # noqa: ANN401 - any type expression
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _unwrap(get_args(annotation)[0])
    elif origin in {Union, types.UnionType}:
        for argument in get_args(annotation):
            yield from _unwrap(argument)
    else:
        yield annotation
