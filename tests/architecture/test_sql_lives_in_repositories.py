"""All SQL stands in repositories: whoever looks for a query, or changes a table, knows which files to read.

The embedded telemetry store is an engine of its own behind `cloud/telemetry/api.py`, in a file of its own; this is
about the relational database.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STATEMENTS = {"delete", "dialects", "func", "insert", "select", "text", "union", "union_all", "update"}
"""What SQLAlchemy makes statements of."""


def may_hold_sql(file: Path) -> bool:
    """Repositories, tables (partial indexes are SQL), and the platform with its migrations and pragmas."""
    inside = file.relative_to(ROOT / "cloud")
    return (
        file.name in {"repository.py", "tables.py"}
        or file.name.endswith("_repository.py")
        or inside.parts[0] == "platform"
    )


def files() -> list[Path]:
    return sorted(file for file in (ROOT / "cloud").rglob("*.py") if not may_hold_sql(file))


def statements(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module=str(module)) if module.startswith("sqlalchemy.dialects"):
                yield f"line {node.lineno}: imports from {module}"
            case ast.ImportFrom(module="sqlalchemy", names=names):
                yield from (f"line {node.lineno}: imports {one.name}" for one in names if one.name in STATEMENTS)
            case ast.Import(names=names):
                found = [one.name for one in names if one.name.partition(".")[0] in {"sqlalchemy", "aiosqlite"}]
                yield from (f"line {node.lineno}: imports {name} as a whole" for name in found)
            case ast.Attribute(attr="exec_driver_sql"):
                yield f"line {node.lineno}: runs SQL that is text"
            case _:
                continue


def tables_used(source: str) -> Iterator[str]:
    """Outside of repositories nobody touches a table, and without a table there is no statement."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("cloud."):
            if node.module.endswith(".tables"):
                yield f"line {node.lineno}: imports from {node.module}"
            yield from (f"line {node.lineno}: imports tables" for one in node.names if one.name == "tables")


@pytest.mark.parametrize("file", files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_that_is_no_repository_holds_no_sql(file: Path) -> None:
    source = file.read_text(encoding="utf-8")
    assert [*statements(source), *tables_used(source)] == []


def test_repositories_are_left_out_and_services_are_not() -> None:
    checked = {str(file.relative_to(ROOT / "cloud")) for file in files()}
    assert {"assets/service.py", "assets/organisation.py", "worker.py", "web.py"} <= checked
    assert not {"assets/repository.py", "assets/command_repository.py", "platform/database.py"} & checked


def test_the_check_finds_what_it_forbids() -> None:
    source = """
from sqlalchemy import RowMapping, select
from sqlalchemy.dialects import sqlite
import sqlalchemy as sa
from cloud.alarms.tables import alarm
from cloud.alarms import tables

async def read(conn):
    await conn.exec_driver_sql("SELECT 1")
"""
    assert [*statements(source), *tables_used(source)] == [
        "line 2: imports select",
        "line 3: imports from sqlalchemy.dialects",
        "line 4: imports sqlalchemy as a whole",
        "line 9: runs SQL that is text",
        "line 5: imports from cloud.alarms.tables",
        "line 6: imports tables",
    ]
