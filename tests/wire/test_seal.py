import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.gate_rolls import KEY, KEYS, OTHER
from wire.errors import ForgedSeal, FutureSeal, MalformedSeal, UnknownKey, WireError
from wire.seal import OVERHEAD, BadKey, Kind, PublicKeys, SigningKey, from_base64url, seal, to_base64url, unseal

# RFC 8032, 7.1, test 2.
RFC_SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
RFC_PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
RFC_SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def test_keys_and_signatures_are_those_of_the_standard() -> None:
    key = SigningKey(seed=RFC_SEED)
    assert key.public == RFC_PUBLIC
    assert key.sign(b"\x72") == RFC_SIGNATURE


def test_what_was_sealed_is_read() -> None:
    data = seal(Kind.PASS, b"body", KEY)
    assert len(data) == OVERHEAD + 4
    assert unseal(data, KEYS, Kind.PASS) == (Kind.PASS, b"body")


def test_a_seal_of_one_kind_is_none_of_another() -> None:
    data = bytearray(seal(Kind.PASS, b"body", KEY))
    with pytest.raises(MalformedSeal, match="kind"):
        unseal(bytes(data), KEYS, Kind.ORDER)
    data[1] = Kind.ORDER
    with pytest.raises(ForgedSeal):
        unseal(bytes(data), KEYS, Kind.ORDER)


def test_a_key_that_is_not_trusted_is_named() -> None:
    with pytest.raises(UnknownKey, match=OTHER.id):
        unseal(seal(Kind.ROLL, b"body", OTHER), KEYS, Kind.ROLL)


def test_a_key_that_calls_itself_another_is_forged() -> None:
    data = bytearray(seal(Kind.ROLL, b"body", OTHER))
    data[2:6] = bytes.fromhex(KEY.id)
    with pytest.raises(ForgedSeal, match="signature"):
        unseal(bytes(data), KEYS, Kind.ROLL)


def test_two_keys_are_trusted_while_one_replaces_the_other() -> None:
    both = PublicKeys.of([KEY.public, OTHER.public])
    for key in (KEY, OTHER):
        assert unseal(seal(Kind.ROLL, b"x", key), both, Kind.ROLL)[1] == b"x"


def test_a_format_of_the_future_says_so() -> None:
    data = b"\x02" + seal(Kind.PASS, b"body", KEY)[1:]
    with pytest.raises(FutureSeal, match="update"):
        unseal(data, KEYS, Kind.PASS)


@pytest.mark.parametrize("length", range(OVERHEAD + 3))
def test_what_was_cut_off_is_not_believed(length: int) -> None:
    with pytest.raises(MalformedSeal if length < OVERHEAD else ForgedSeal):
        unseal(seal(Kind.PASS, b"body", KEY)[:length], KEYS, Kind.PASS)


@given(at=st.integers(0, OVERHEAD + 3), flip=st.integers(1, 255))
def test_no_byte_can_be_changed(at: int, flip: int) -> None:
    data = bytearray(seal(Kind.PASS, b"body", KEY))
    data[at] ^= flip
    with pytest.raises((MalformedSeal, ForgedSeal)):
        unseal(bytes(data), KEYS, Kind.PASS)


@given(st.binary(max_size=300))
def test_anything_else_is_refused_in_one_way(data: bytes) -> None:
    with pytest.raises(WireError):
        unseal(data, KEYS, *Kind)


def test_a_file_of_keys_is_read_as_it_was_written() -> None:
    keys = PublicKeys.of([KEY.public, OTHER.public])
    assert PublicKeys.parse(keys.text()) == keys
    assert PublicKeys.parse(f"# of the service\n\n{KEYS.text()}") == KEYS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no key"),
        ("# nothing", "no key"),
        ("hello", "line 1"),
        (f"\n{OTHER.id} {KEYS.text().split()[1]}", "line 2"),
    ],
)
def test_a_bad_file_of_keys_says_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(BadKey, match=said):
        PublicKeys.parse(text)


def test_a_key_of_another_length_is_none() -> None:
    with pytest.raises(BadKey):
        SigningKey(seed=b"short")
    with pytest.raises(BadKey):
        PublicKeys.of([b"short"])


def test_a_private_key_is_not_printed() -> None:
    assert "seed" not in repr(KEY)


@given(st.binary(max_size=50))
def test_texts_are_written_in_one_way(data: bytes) -> None:
    assert from_base64url(to_base64url(data, "X:"), "X:") == data


@pytest.mark.parametrize("text", ["", "Y:AA", "X:A", "X:AB", "X:AA==", "X:A+", "X:Aé", "X: AA", "X:AA\n"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(MalformedSeal):
        from_base64url(text, "X:")
