"""A key pad: keys collected to a PIN. Pure; a PIN is in no repr and no log."""

from drivers.osdp.replies import CLEAR, ENTER

MOST_DIGITS = 16
PATIENCE_S = 10.0
"""Keys that came so long ago belong to nobody any more."""


class PinPad:
    """The keys of one key pad: `#` ends a PIN, `*` takes all keys back."""

    def __init__(self) -> None:
        self._digits = ""
        self._last = 0.0

    def press(self, keys: str, *, now: float) -> tuple[str, ...]:
        """Take keys; gives the PINs that they end."""
        if now - self._last > PATIENCE_S:
            self._digits = ""
        self._last = now
        pins: list[str] = []
        for key in keys:
            if key == ENTER:
                if 0 < len(self._digits) <= MOST_DIGITS:
                    pins.append(self._digits)
                self._digits = ""
            elif key == CLEAR:
                self._digits = ""
            elif len(self._digits) <= MOST_DIGITS:  # one too many makes it no PIN
                self._digits += key
        return tuple(pins)
