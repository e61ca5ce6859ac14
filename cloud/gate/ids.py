"""Random ids and PINs: drawn where a request comes in, and handed on as arguments."""

import base64
import secrets

from cloud.gate.domain import is_easy

_PIN_DIGITS = 6


def new_key() -> str:
    """Make an opaque id, 60 random bits in 12 letters and digits."""
    return base64.b32encode(secrets.token_bytes(8)).decode().lower()[:12]


def new_pin() -> str:
    """Make a PIN of 6 random digits that is not easy to guess."""
    while True:
        pin = "".join(secrets.choice("0123456789") for _ in range(_PIN_DIGITS))
        if not is_easy(pin):
            return pin
