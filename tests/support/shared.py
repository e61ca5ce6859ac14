"""Test data beside the checkout, which is never part of it: photographs of faces, a model of another's."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def shared(*parts: str) -> Path:
    """Give a file or folder of the test data; skip the test where it is not there.

    `LINLI_SHARED` says where the data is (default: `../shared` beside the checkout). Where everything must be there
    (`LINLI_REQUIRE_SHARED=1`, as in continuous integration), fail instead.
    """
    folder = Path(os.environ.get("LINLI_SHARED") or ROOT.parent / "shared")
    path = folder.joinpath("data", *parts)
    if path.exists():
        return path
    reason = f"no test data at {path}: set LINLI_SHARED to the folder that has data/{'/'.join(parts)}"
    if os.environ.get("LINLI_REQUIRE_SHARED") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
