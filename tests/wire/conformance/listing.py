"""The specification's assertions, and which test claims which."""

import ast
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field

from runtime.config import Strict

FOLDER = Path(__file__).parent
FILE = FOLDER / "assertions.toml"
_Test = TypeVar("_Test", bound=Callable[..., object])


class Assertion(Strict):
    """One identified assertion of Sparkplug 3.0."""

    id: str = Field(pattern=r"^tck-id-[A-Za-z0-9-]+$")
    chapter: str
    role: Literal["edge", "host", "broker", "both"]
    level: Literal["MUST", "SHOULD", "MAY"]
    says: str
    status: Literal["claimed", "not applicable", "missing"]
    why: str = ""


class _File(Strict):
    assertion: list[Assertion]


@dataclass(frozen=True, slots=True)
class Claim:
    """That a test proves an assertion."""

    id: str
    file: str
    test: str


@cache
def assertions() -> Mapping[str, Assertion]:
    """Give the list, by id, in the specification's order."""
    listed = _File.model_validate(tomllib.loads(FILE.read_text(encoding="utf-8"))).assertion
    found = {one.id: one for one in listed}
    assert len(found) == len(listed), "an id stands twice in the list"
    return found


def claims(*ids: str) -> Callable[[_Test], _Test]:
    """Say which assertions a test proves; without the prefix `tck-id-`, which all have."""
    for one in ids:
        assert f"tck-id-{one}" in assertions(), f"the specification has no assertion tck-id-{one}"

    def unchanged(test: _Test) -> _Test:
        return test

    return unchanged


def all_claims() -> Iterator[Claim]:
    """Read the claims of all tests in this folder, without running any."""
    for file in sorted(FOLDER.glob("test_*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for one in _claimed_by(node):
                    yield Claim(id=f"tck-id-{one}", file=file.name, test=node.name)


def _claimed_by(test: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in test.decorator_list:
        if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id == "claims":
            for argument in decorator.args:
                assert isinstance(argument, ast.Constant), f"{test.name}: a claim is a plain text"
                yield str(argument.value)
