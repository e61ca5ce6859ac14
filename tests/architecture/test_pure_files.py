"""Files that decide do no input or output, read no clock, draw no random number and import no framework."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PURE_NAMES = {"domain.py", "codec.py", "pipeline.py", "session.py", "decision.py"}
PURE_BESIDE = tuple(
    f"edge/gate/{name}.py" for name in ("access", "api", "door_watch", "presence", "remote", "report", "tries")
)
"""Files that say of themselves that they are pure, under names of their own."""
PACKAGES = ("cloud", "drivers", "edge", "models", "runtime", "simulators", "wire")
GENERATED = {"sparkplug_b_pb2.py"}

ALLOWED = {
    "base64",
    "binascii",
    "collections",
    "collections.abc",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "functools",
    "hashlib",
    "itertools",
    "json",
    "math",
    "numpy",
    "numpy.typing",
    "operator",
    "re",
    "struct",
    "types",
    "typing",
    "zoneinfo",
}
ALLOWED_IN_WIRE = {
    "cryptography.exceptions",
    "cryptography.hazmat.primitives.asymmetric.ed25519",  # signing and verifying: arithmetic, and no random number
    "google.protobuf",
    "google.protobuf.message",
}
# Data that the whole product shares, itself free of input and output when it is used as a value.
ALLOWED_OF_OURS = {"drivers.api", "drivers.packed", "drivers.profile"}
ALLOWED_PACKAGE_OF_OURS = "drivers.places."
FORBIDDEN_CALLS = {"open", "print", "input", "exec", "eval", "breakpoint"}
FORBIDDEN_ATTRIBUTES = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}


def pure_files() -> list[Path]:
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py") if file.name in PURE_NAMES]
    files += [ROOT / name for name in PURE_BESIDE]
    files += [file for file in (ROOT / "wire").glob("*.py") if file.name not in GENERATED]
    return sorted(files)


def is_package(module: str | None) -> bool:
    return module is not None and ROOT.joinpath(*module.split(".")).is_dir()


def impurities(source: str, file: Path) -> Iterator[str]:
    package = ".".join(file.relative_to(ROOT).parts[:-1]) if file.is_relative_to(ROOT) else ""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                modules = [alias.name for alias in names]
            case ast.ImportFrom(module=module, names=names):
                modules = [module or ""] if not is_package(module) else [f"{module}.{alias.name}" for alias in names]
            case ast.Call(func=ast.Name(id=name)) if name in FORBIDDEN_CALLS:
                yield f"line {node.lineno}: calls {name}()"
                continue
            case ast.Attribute(value=ast.Name(id=owner), attr=attribute) if (owner, attribute) in FORBIDDEN_ATTRIBUTES:
                yield f"line {node.lineno}: reads the clock by {owner}.{attribute}"
                continue
            case _:
                continue
        for module in modules:
            if not _allowed(module, package):
                yield f"line {node.lineno}: imports {module}"


def _allowed(module: str, package: str) -> bool:
    if module in ALLOWED or module in ALLOWED_OF_OURS or module.startswith(ALLOWED_PACKAGE_OF_OURS):
        return True
    if package == "wire" and module in ALLOWED_IN_WIRE:
        return True
    if module.partition(".")[0] not in PACKAGES:
        return False
    # A module of ours that is as pure as this one, whatever its name.
    path = ROOT.joinpath(*module.split("."))
    file = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    return file.name in GENERATED or (file.exists() and not list(impurities(file.read_text(encoding="utf-8"), file)))


@pytest.mark.parametrize("file", pure_files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_pure_file_is_pure(file: Path) -> None:
    assert list(impurities(file.read_text(encoding="utf-8"), file)) == []


def test_the_check_finds_what_it_forbids() -> None:
    source = "import socket\nfrom time import time\nfrom datetime import datetime\nx = datetime.now()\ny = open('f')\n"
    found = list(impurities(source, ROOT / "edge" / "pipeline.py"))
    assert found == [
        "line 1: imports socket",
        "line 2: imports time",
        "line 5: calls open()",
        "line 4: reads the clock by datetime.now",
    ]


def test_there_are_pure_files_to_check() -> None:
    names = {str(file.relative_to(ROOT)) for file in pure_files()}
    assert {"edge/pipeline.py", "edge/session.py", "cloud/alarms/domain.py", "wire/host.py"} <= names
