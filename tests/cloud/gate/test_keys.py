from pathlib import Path

import pytest
from typer.testing import CliRunner

from cloud.cli import app
from cloud.gate.keys import BadKeys, GateKeys, KeyFile, KeyState, NoKeys, add_key, drop_key, parse_keys, use_key
from cloud.platform.errors import Conflict, NotFound
from tests.support.gate_rolls import PASS
from wire.passes import decode_pass, encode_pass
from wire.seal import PublicKeys, SigningKey

STORE, SEED, OTHER = bytes(range(32)), bytes(range(1, 33)), bytes(range(2, 34))
KEYS = GateKeys(store=STORE, signing=((SigningKey(seed=SEED), KeyState.ACTIVE),))
HERE = Path("gate-keys")


def test_the_file_is_read_as_it_was_written_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "data" / "gate-keys")
    with pytest.raises(NoKeys, match="gate-keys"):
        file.get()
    made = file.make(store=STORE, seed=SEED)
    assert file.get() == made == KEYS
    assert file.file.stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        file.make(store=STORE, seed=OTHER)


def test_a_key_is_replaced_step_by_step(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "gate-keys")
    keys = file.make(store=STORE, seed=SEED)
    old, new = SigningKey(seed=SEED).id, SigningKey(seed=OTHER).id
    both = add_key(keys, OTHER)
    assert both.active.id == old
    assert set(both.public.by_id) == {old, new}
    moved = use_key(both, new)
    file.change(moved)
    assert file.get().active.id == new
    assert file.file.stat().st_mode & 0o077 == 0
    text = encode_pass(PASS, keys.active)
    assert decode_pass(text, file.get().public) == PASS  # a pass of the old key still holds
    with pytest.raises(Conflict):
        drop_key(moved, new)
    assert set(drop_key(moved, old).public.by_id) == {new}
    for change in (use_key, drop_key):
        with pytest.raises(NotFound):
            change(moved, "00000000")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "store",
        "store short",
        KEYS.text().replace("active", "old"),
        KEYS.text().replace("active", "lost"),
        KEYS.text() + KEYS.text(),
        KEYS.text().replace("store", "stone"),
        KEYS.text().replace("sign ", "sign !"),
    ],
)
def test_a_bad_file_says_so_and_shows_nothing_of_it(text: str) -> None:
    with pytest.raises(BadKeys) as caught:
        parse_keys(text, HERE)
    assert not any(len(word) > 40 and word in str(caught.value) for word in KEYS.text().split())


def test_what_is_sealed_is_opened_for_its_own_row_only() -> None:
    sealed = KEYS.seal("482913", of="r1/pin")
    assert KEYS.open(sealed, of="r1/pin") == "482913"
    assert KEYS.seal("482913", of="r1/pin") != sealed
    other = GateKeys(store=OTHER, signing=KEYS.signing)
    for keys, row, text in (
        (KEYS, "r2/pin", sealed),
        (other, "r1/pin", sealed),
        (KEYS, "r1/pin", "AAAA"),
        (KEYS, "r1/pin", "é"),
    ):
        with pytest.raises(BadKeys):
            keys.open(text, of=row)
    assert KEYS.tag("1", "pin", "482913") == KEYS.tag("1", "pin", "482913") != other.tag("1", "pin", "482913")
    assert KEYS.tag("1", "pin", "4") != KEYS.tag("2", "pin", "4")


def test_keys_are_not_printed() -> None:
    assert "seed" not in repr(KEYS)
    assert "store" not in repr(KEYS)


def run(config: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["gate-keys", "--config", str(config), *words])
    return done.exit_code, done.output


def test_the_command_makes_shows_and_replaces_keys(tmp_path: Path) -> None:
    config = tmp_path / "cloud.toml"
    config.write_text('schema = 1\n[broker]\npassword_file = "x"\n')
    file = KeyFile(tmp_path / "data" / "gate-keys")
    code, said = run(config)
    assert code == 0
    first = file.get().active.id
    assert said.splitlines()[-1].startswith(first)
    assert PublicKeys.parse("\n".join(said.splitlines()[1:])) == file.get().public
    assert file.get().text().split()[-2] not in said
    code, said = run(config, "--new")
    assert [line.rpartition("# ")[2] for line in said.splitlines()] == ["active", "next"]
    second = said.splitlines()[-1].split()[0]
    assert run(config, "--use", second)[0] == 0
    assert file.get().active.id == second
    assert run(config, "--drop", second)[0] == 1
    assert run(config, "--drop", first)[0] == 0
    assert set(file.get().public.by_id) == {second}
    assert run(config, "--use", "nothing")[0] == 1
    assert run(config, "--new", "--use", second)[0] == 2
