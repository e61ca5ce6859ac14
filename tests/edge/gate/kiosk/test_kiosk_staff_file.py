"""The file of staff: hashes only, whole or not at all, and readable by its owner alone."""

import os
import tomllib
from pathlib import Path

import pytest

from edge.gate.kiosk.staff_file import BadLogin, Passwords, WeakPassword, put_staff, read_staff, remove_staff
from runtime.config import ConfigError
from tests.support.kiosk import quick_hasher

HASHER = quick_hasher()


def test_the_password_opens_and_is_nowhere_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "staff.toml"
    put_staff(file, login="wang", name="王建国", password="unrelated words", hasher=HASHER)
    put_staff(file, login="j.li", name='Li "Jo" \\ \x7f', password="other words here", hasher=HASHER)
    staff = read_staff(file)
    passwords = Passwords(HASHER)
    assert passwords.fits(staff["wang"], "unrelated words")
    assert not passwords.fits(staff["wang"], "other words here")
    assert staff["j.li"].name == 'Li "Jo" \\ \x7f'
    assert "unrelated" not in file.read_text()
    assert "$argon2id$" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["staff.toml"]
    assert "argon2" not in repr(staff["wang"])


def test_nobody_has_no_password(tmp_path: Path) -> None:
    assert not Passwords(HASHER).fits(None, "")
    assert not Passwords(HASHER).fits(None, "anything")


def test_a_new_password_replaces_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "staff.toml"
    put_staff(file, login="wang", name="Wang", password="old password", hasher=HASHER)
    put_staff(file, login="wang", name="Wang", password="new password", hasher=HASHER)
    member = read_staff(file)["wang"]
    assert Passwords(HASHER).fits(member, "new password")
    assert not Passwords(HASHER).fits(member, "old password")


def test_somebody_is_taken_off(tmp_path: Path) -> None:
    file = tmp_path / "staff.toml"
    put_staff(file, login="wang", name="Wang", password="some password", hasher=HASHER)
    assert remove_staff(file, "wang")
    assert not remove_staff(file, "wang")
    assert read_staff(file) == {}


@pytest.mark.parametrize("login", ["", "Wang", "a b", "x" * 33, '"quoted"', "-dash"])
def test_a_login_is_plain(tmp_path: Path, login: str) -> None:
    with pytest.raises(BadLogin):
        put_staff(tmp_path / "staff.toml", login=login, name="Wang", password="some password", hasher=HASHER)


@pytest.mark.parametrize("password", ["", "short", "x" * 201])
def test_a_password_has_a_length(tmp_path: Path, password: str) -> None:
    with pytest.raises(WeakPassword):
        put_staff(tmp_path / "staff.toml", login="wang", name="Wang", password=password, hasher=HASHER)
    assert not (tmp_path / "staff.toml").exists()


def test_a_broken_file_is_told_and_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "staff.toml"
    file.write_text("[staff.wang]\nname = ")
    with pytest.raises(ConfigError):
        put_staff(file, login="li", name="Li", password="some password", hasher=HASHER)
    assert file.read_text() == "[staff.wang]\nname = "
    file.write_text('[staff.wang]\nname = "Wang"\nhash = "x"\npassword = "y"\n')
    with pytest.raises(ConfigError, match="password"):
        read_staff(file)


def test_a_hash_that_is_none_fits_nothing(tmp_path: Path) -> None:
    file = tmp_path / "staff.toml"
    file.write_text('[staff.wang]\nname = "Wang"\nhash = "plain"\n')
    assert not Passwords(HASHER).fits(read_staff(file)["wang"], "plain")


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "staff.toml"
    put_staff(file, login="wang", name="Wang", password="some password", hasher=HASHER)
    before = file.read_text()

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        put_staff(file, login="li", name="Li", password="some password", hasher=HASHER)
    assert file.read_text() == before
    assert tomllib.loads(before)["staff"].keys() == {"wang"}
    assert [one.name for one in tmp_path.iterdir()] == ["staff.toml"]
