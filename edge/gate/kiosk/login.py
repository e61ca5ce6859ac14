"""Who is logged in at the kiosk, and how often somebody may guess. Memory only: a restart logs everybody out.

Times are seconds of a monotonic clock, and come as arguments.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

IDLE_S = 300.0
LONGEST_S = 3600.0
_MOST_SESSIONS = 8
_MOST_LOGINS_REMEMBERED = 256


@dataclass(kw_only=True, slots=True)
class Throttle:
    """Locks a login after `tries` failures in a row, and the whole kiosk after `tries_of_all` within `window_s`.

    A vandal can lock a login for `lock_s`, no longer: the lock ends by itself, and tries during it do not count.
    """

    tries: int = 5
    tries_of_all: int = 20
    lock_s: float = 300.0
    window_s: float = 900.0
    _failures: dict[str, list[float]] = field(default_factory=dict)
    _of_all: list[float] = field(default_factory=list)

    def wait_s(self, login: str, now_s: float) -> float:
        """Give how long this login must wait before its next try; 0 when it may try now."""
        own = self._failures.get(login, [])
        left = own[-1] + self.lock_s - now_s if len(own) >= self.tries else 0.0
        if left <= 0 and len(own) >= self.tries:
            del self._failures[login]
        recent = [at for at in self._of_all if now_s - at < self.window_s]
        self._of_all = recent
        if len(recent) >= self.tries_of_all:
            left = max(left, recent[-1] + self.lock_s - now_s)
        return max(left, 0.0)

    def failed(self, login: str, now_s: float) -> None:
        """Count a failure."""
        if login not in self._failures and len(self._failures) >= _MOST_LOGINS_REMEMBERED:
            self._failures.pop(min(self._failures, key=lambda one: self._failures[one][-1]))
        kept = [at for at in self._failures.get(login, []) if now_s - at < self.window_s]
        self._failures[login] = [*kept, now_s]
        self._of_all.append(now_s)

    def succeeded(self, login: str) -> None:
        """Forget the failures of a login."""
        self._failures.pop(login, None)


@dataclass(kw_only=True, slots=True)
class Pace:
    """At most `burst` at once, and one more each `every_s`: for what anybody at the screen can press."""

    burst: int
    every_s: float
    _left: float = -1.0
    _at_s: float = 0.0

    def allows(self, now_s: float) -> bool:
        """Whether one more may pass now; if so it is counted."""
        left = self.burst if self._left < 0 else min(self.burst, self._left + (now_s - self._at_s) / self.every_s)
        self._at_s = now_s
        self._left = left - 1 if left >= 1 else left
        return left >= 1


@dataclass(kw_only=True, slots=True)
class Session:
    """Somebody who is logged in. `csrf` must come with each request that changes something."""

    login: str
    name: str
    csrf: str = field(repr=False)
    began_s: float
    seen_s: float

    def left_s(self, now_s: float) -> float:
        """Give how long it lasts when nothing more is done."""
        return min(self.seen_s + IDLE_S, self.began_s + LONGEST_S) - now_s


class Sessions:
    """Who is logged in, by the hash of a token that only their browser has."""

    def __init__(self, *, token: Callable[[], str] = lambda: secrets.token_urlsafe(32)) -> None:
        self._token = token
        self._open: dict[str, Session] = {}

    def begin(self, login: str, name: str, now_s: float) -> tuple[str, Session]:
        """Log somebody in; gives the token for the cookie. The oldest session ends when there are too many."""
        self._forget_old(now_s)
        while len(self._open) >= _MOST_SESSIONS:
            del self._open[min(self._open, key=lambda one: self._open[one].seen_s)]
        token = self._token()
        session = Session(login=login, name=name, csrf=self._token(), began_s=now_s, seen_s=now_s)
        self._open[_hash(token)] = session
        return token, session

    def find(self, token: str | None, now_s: float) -> Session | None:
        """Give whose token it is, while the session lasts. Looking is no activity: polling keeps nobody in."""
        self._forget_old(now_s)
        return None if token is None else self._open.get(_hash(token))

    def end(self, token: str | None) -> None:
        """Log out."""
        if token is not None:
            self._open.pop(_hash(token), None)

    def end_of(self, logins: frozenset[str]) -> None:
        """Log out everybody who is not among `logins`: whoever was taken off the file is out."""
        self._open = {key: one for key, one in self._open.items() if one.login in logins}

    def _forget_old(self, now_s: float) -> None:
        self._open = {key: one for key, one in self._open.items() if one.left_s(now_s) > 0}


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
