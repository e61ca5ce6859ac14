"""When a TCP connection is given up because nobody answers on it any more. Pure; times are seconds.

A far end that vanished, or a firewall that forgot the connection, sends no FIN. The kernel notices when nothing is
acknowledged; a far end whose kernel still acknowledges is noticed only here.
"""

_STRIKES = 2
_FIRST_PATIENCE_S = 5.0
_LAST_PATIENCE_S = 60.0


class Vigil:
    """Watches the answers of one bus over its connections.

    A single dead unit behind a gateway is no reason to drop the connection of its neighbours. Two unanswered requests
    in a row to units that had answered on this connection are one; and so is a connection on which nobody ever
    answered, after a patience that grows with each such connection.
    """

    def __init__(self) -> None:
        self._alive: set[int | str] = set()
        self._suspects: set[int | str] = set()
        self._strikes = 0
        self._since = 0.0
        self._patience_s = _FIRST_PATIENCE_S

    def connected(self, *, now: float) -> None:
        """Say that a new connection stands."""
        self._alive.clear()
        self._suspects.clear()
        self._strikes = 0
        self._since = now

    def answered(self, unit: int | str) -> None:
        """Say that a unit has answered: the connection is good, so that who was silent is silent by itself."""
        self._alive -= self._suspects
        self._alive.add(unit)
        self._suspects.clear()
        self._strikes = 0
        self._patience_s = _FIRST_PATIENCE_S

    def unanswered(self, unit: int | str, *, now: float) -> bool:
        """Say that a request was not answered; gives whether the connection is to be given up."""
        if unit in self._alive:
            self._suspects.add(unit)
            self._strikes += 1
            return self._strikes >= _STRIKES
        if self._alive or now - self._since < self._patience_s:
            return False
        self._patience_s = min(2 * self._patience_s, _LAST_PATIENCE_S)
        return True
