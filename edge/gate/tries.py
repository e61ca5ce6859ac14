"""How often a PIN may be wrong: a gate's key pad is open to everybody, all night. Pure; times are seconds."""

from collections import deque

MOST = 5
WINDOW_S = 300.0
LOCKED_S = 60.0


class Tries:
    """The wrong PINs of one gate. After MOST within WINDOW_S nothing is accepted for LOCKED_S, right or wrong."""

    def __init__(self) -> None:
        self._wrong: deque[float] = deque()
        self._locked_until = 0.0

    def locked(self, now: float) -> bool:
        """Whether nothing may be tried now."""
        return now < self._locked_until

    def wrong(self, now: float) -> None:
        """Take note of a wrong one."""
        while self._wrong and now - self._wrong[0] > WINDOW_S:
            self._wrong.popleft()
        self._wrong.append(now)
        if len(self._wrong) >= MOST:
            self._locked_until = now + LOCKED_S
            self._wrong.clear()
