"""What the documents say is true: commands exist, links lead somewhere, no text names a place outside the project."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"^\s*(?:\$ )?(?:\.venv/bin/)?(linli (?:[a-z-]+ ?)+)", re.MULTILINE)
MAKE = re.compile(r"\bmake ([a-z]+)\b")


def fenced(text: str) -> str:
    return "\n".join(re.findall(r"```[a-z]*\n(.*?)```", text, flags=re.DOTALL))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_relative_links_lead_to_files(document: Path) -> None:
    targets = [link.split("#")[0] for link in LINK.findall(document.read_text(encoding="utf-8"))]
    local = [target for target in targets if target and "://" not in target]
    assert [target for target in local if not (document.parent / target).exists()] == []


def test_make_targets_in_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    named = set(MAKE.findall(fenced((ROOT / "README.md").read_text(encoding="utf-8"))))
    assert named
    assert named <= targets


def documented_commands() -> list[str]:
    found: set[str] = set()
    for document in DOCUMENTS:
        for line in COMMAND.findall(fenced(document.read_text(encoding="utf-8"))):
            found.add(line.strip())
    return sorted(found)


@pytest.mark.parametrize("command", documented_commands())
def test_documented_commands_exist(command: str) -> None:
    words = shlex.split(command)[1:]
    while words:
        result = subprocess.run(
            [sys.executable, "-m", "linli", *words, "--help"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        # The last word may be an argument, such as the name of a device.
        if result.returncode == 0 and "Usage: linli" in result.stdout:
            assert " ".join(words[:1]) in result.stdout
            return
        words.pop()
    pytest.fail(f"`{command}` is not a command: {result.stderr or result.stdout}")


def test_every_package_of_the_house_is_described() -> None:
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    packages = [folder.name for folder in ROOT.iterdir() if (folder / "__init__.py").exists()]
    assert packages
    assert [name for name in packages if f"{name}/" not in text] == []


def test_lock_files_carry_hashes_and_no_index() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text(encoding="utf-8")
        pins = re.findall(r"^[a-z0-9][^\s]*==[^\s]+", text, flags=re.MULTILINE | re.IGNORECASE)
        assert len(pins) > (50 if lock.stem in {"runtime", "dev"} else 0)
        assert text.count("--hash=sha256:") >= len(pins)
        assert "://" not in text
        assert "index-url" not in text
        assert "find-links" not in text
