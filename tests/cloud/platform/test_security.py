import pytest
from argon2 import PasswordHasher

from cloud.platform.errors import Invalid
from cloud.platform.security import Passwords, check_new_password, hash_token, new_password, new_token
from tests.support.cloud import cheap_passwords


async def test_the_right_password_fits_and_others_do_not() -> None:
    passwords = cheap_passwords()
    hashed = await passwords.hash("correct horse")
    assert await passwords.verify(hashed, "correct horse")
    assert not await passwords.verify(hashed, "Correct horse")
    assert not await passwords.verify(hashed, "")


async def test_nobody_has_no_password_that_fits() -> None:
    assert not await cheap_passwords().verify(None, "anything")


async def test_a_damaged_hash_fits_nothing() -> None:
    assert not await cheap_passwords().verify("not a hash", "anything")


async def test_hashes_follow_rfc_9106_and_never_repeat() -> None:
    passwords = Passwords()
    first, second = await passwords.hash("correct horse"), await passwords.hash("correct horse")
    assert first != second
    assert first.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


async def test_a_hash_of_other_parameters_is_outdated() -> None:
    hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("correct horse")
    assert Passwords().is_outdated(hashed)
    assert not cheap_passwords().is_outdated(hashed)


@pytest.mark.parametrize("password", ["", "short", "x" * 201])
def test_bad_new_passwords_are_refused(password: str) -> None:
    with pytest.raises(Invalid):
        check_new_password(password)


def test_random_passwords_are_good_and_different() -> None:
    made = {new_password() for _ in range(100)}
    assert len(made) == 100
    for password in made:
        check_new_password(password)


def test_tokens_carry_256_bits_and_are_stored_as_sha256() -> None:
    # The digest of RFC 6234's "abc" test, as the world knows it.
    assert hash_token("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert len(new_token()) == 43
    assert new_token() != new_token()
