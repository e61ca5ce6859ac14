import sys
from pathlib import Path
from subprocess import run

import pytest

pytest.importorskip("grpc_tools", reason="the generator is a development dependency")

ROOT = Path(__file__).parents[2]


def test_committed_schema_code_is_what_the_generator_makes(tmp_path: Path) -> None:
    out = ("--python_out", "--pyi_out")
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", str(ROOT), *(f"{flag}={tmp_path}" for flag in out)]
    run([*command, str(ROOT / "wire/sparkplug_b.proto")], check=True)
    for name in ("sparkplug_b_pb2.py", "sparkplug_b_pb2.pyi"):
        assert (tmp_path / "wire" / name).read_text() == (ROOT / "wire" / name).read_text(), name
