"""Where another implementation cannot be had, its tests say so; where everything must be there, they fail."""

from pathlib import Path

import pytest

from tests.support.peers import environment

LOCK = "nothing.txt"


@pytest.fixture
def unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that cannot be installed, without a registry."""
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / LOCK).write_text(f"pysparkplug==0.0.0 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "KEPT", tmp_path / "kept")
    monkeypatch.setenv("UV_OFFLINE", "1")


@pytest.mark.parametrize(
    ("required", "outcome"), [("0", pytest.skip.Exception), ("1", pytest.fail.Exception)], ids=["skipped", "required"]
)
def test_without_a_registry_the_test_is_skipped_or_fails_with_the_reason(
    unreachable: None, monkeypatch: pytest.MonkeyPatch, required: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("LINLI_REQUIRE_SHARED", required)
    with pytest.raises(outcome, match="no environment for another implementation of Sparkplug"):
        environment.peer_python(LOCK)
