"""Test data beside the checkout: used where it is, skipped where it is not, demanded in continuous integration."""

from pathlib import Path

import pytest

from tests.support.shared import shared


def test_data_is_found_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINLI_SHARED", str(tmp_path))
    (tmp_path / "data" / "faces").mkdir(parents=True)
    assert shared("faces") == tmp_path / "data" / "faces"


def test_a_test_without_its_data_is_skipped_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINLI_SHARED", str(tmp_path))
    monkeypatch.delenv("LINLI_REQUIRE_SHARED", raising=False)
    with pytest.raises(pytest.skip.Exception, match="set LINLI_SHARED to the folder that has data/faces"):
        shared("faces")


def test_a_test_without_its_data_fails_where_all_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINLI_SHARED", str(tmp_path))
    monkeypatch.setenv("LINLI_REQUIRE_SHARED", "1")
    with pytest.raises(pytest.fail.Exception, match="no test data"):
        shared("faces")
