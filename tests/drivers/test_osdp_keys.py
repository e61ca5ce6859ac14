"""The key file: who may read it, what it may hold, and that no key is ever in an error."""

import os
import traceback
from pathlib import Path

import pytest

from drivers.osdp.channel import DEFAULT_KEY
from drivers.osdp.keys import KeyFileError, read_keys

KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
OTHER = "00112233445566778899aabbccddeeff"


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "readers.keys"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return file


def test_each_unit_has_its_key(tmp_path: Path) -> None:
    keys = read_keys(written(tmp_path, f'[keys]\n0 = "{KEY}"\n126 = "{OTHER.upper()}"\n'))
    assert {unit: key.value.hex() for unit, key in keys.items()} == {0: KEY, 126: OTHER}
    assert KEY not in repr(keys)
    assert str(bytes.fromhex(KEY)) not in repr(keys)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o622, 0o644, 0o610])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(KeyFileError, match=f"mode {mode:04o}.*chmod 600"):
        read_keys(written(tmp_path, f'[keys]\n0 = "{KEY}"\n', mode))


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_of_its_owner_alone_is_taken(tmp_path: Path, mode: int) -> None:
    assert set(read_keys(written(tmp_path, f'[keys]\n0 = "{KEY}"\n', mode))) == {0}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f'[keys]\n127 = "{KEY}"\n', "no unit"),
        (f'[keys]\ndoor = "{KEY}"\n', "no unit"),
        (f'[keys]\n0 = "{KEY[:-2]}"\n', "unit 0.*32 hexadecimal"),
        (f'[keys]\n0 = "{KEY[:-1]}g"\n', "unit 0.*32 hexadecimal"),
        ("[keys]\n0 = 1234\n", "unit 0.*32 hexadecimal"),
        (f'[keys]\n0 = "{DEFAULT_KEY.hex()}"\n', "default key"),
        (f'[keys]\n0 = "{KEY}"\n1 = "{KEY}"\n', "unit 1 has the key of another"),
        (f'0 = "{KEY}"\n', "one table"),
        (f'[keys]\n0 = "{KEY}"\n[more]\n', "one table"),
        (f"[keys]\n0 = {KEY}\n", "no TOML"),
    ],
)
def test_a_mistake_is_told_without_the_key(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(KeyFileError, match=why) as told:
        read_keys(written(tmp_path, text))
    assert KEY[:8] not in "".join(traceback.format_exception(told.value))


def test_a_file_that_is_not_there_or_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot be opened"):
        read_keys(tmp_path / "absent.keys")
    with pytest.raises(KeyFileError, match="no plain file"):
        read_keys(tmp_path)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    with pytest.raises(KeyFileError, match="no plain file"):
        read_keys(fifo)
