"""Where a camera is on the network, without its secrets; and the secrets, which stand in a file of their own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, quote, urlsplit

from pydantic import AfterValidator, BeforeValidator

_SECRET_KEYS = frozenset({"pwd", "pass", "passwd", "password", "token", "auth", "key"})
_HIDDEN = "***"
_PLACEHOLDERS = ("{user}", "{password}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """A user of a camera. Neither `repr` nor `str` shows the password."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login(user={self.user!r}, password='{_HIDDEN}')"


class NoLogin(Exception):
    """The file of credentials cannot be used; the text says why, and nothing of what is in it."""


def read_login(file: str | None) -> Login | None:
    """Read a file of credentials: the user on the first line, the password on the second; None for no file. NoLogin."""
    if file is None:
        return None
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise NoLogin(f"the credentials in {file} cannot be read: {why}") from error
    if len(lines) < 2 or not lines[0].strip():  # noqa: PLR2004 - user and password
        raise NoLogin(f"{file} needs two lines: the user and the password")
    return Login(user=lines[0].strip(), password=lines[1].strip())


def filled(url: str, login: Login | None) -> str:
    """Put a login where a URL has `{user}` and `{password}`. What comes out must never be shown."""
    if login is None:
        return url
    values = dict(zip(_PLACEHOLDERS, (login.user, login.password), strict=True))
    for placeholder, value in values.items():
        url = url.replace(placeholder, quote(value, safe=""))
    return url


def with_login(url: str, login: Login | None) -> str:
    """Put a login into a URL, as FFmpeg wants it. What comes out must never be shown."""
    if login is None or needs_login(url):
        return filled(url, login)
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{quote(login.user, safe='')}:{quote(login.password, safe='')}@{rest}"


def needs_login(url: str) -> bool:
    """Whether the URL itself has places for a login."""
    return any(placeholder in url for placeholder in _PLACEHOLDERS)


def _hide(value: object) -> object:
    """Take secrets out of a URL before anything else looks at it: errors show what they were given."""
    if not isinstance(value, str):
        return value
    scheme, mark, rest = value.partition("://")
    authority, slash, path = rest.partition("/") if mark else ("", "", "")
    if "@" in authority:
        value = f"{scheme}://{_HIDDEN}@{authority.rpartition('@')[2]}{slash}{path}"
    head, question, query = value.partition("?")
    if question:
        value = head + question + "&".join(_hide_pair(pair) for pair in query.split("&"))
    return value


def _hide_pair(pair: str) -> str:
    key, equals, secret = pair.partition("=")
    if key.lower() not in _SECRET_KEYS or secret in {"", *_PLACEHOLDERS}:
        return pair
    return f"{key}{equals}{_HIDDEN}"


def _check(schemes: tuple[str, ...]) -> AfterValidator:
    def check(url: str) -> str:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ValueError(f"it is no URL: {error}") from error
        if parts.scheme not in schemes or not parts.hostname or port == 0:
            wanted = " or ".join(f"{scheme}://host/path" for scheme in schemes)
            raise ValueError(f"write {wanted}")
        if parts.username is not None or any(value == _HIDDEN for _, value in parse_qsl(parts.query)):
            raise ValueError(
                "user and password stand in the file `credentials_file` (two lines); "
                "where the URL itself must have them, write {user} and {password}"
            )
        return url

    return AfterValidator(check)


HttpUrl = Annotated[str, _check(("http", "https")), BeforeValidator(_hide)]
"""An address without secrets; a secret that is in it is refused and not repeated."""
StreamUrl = Annotated[str, _check(("http", "https", "rtsp")), BeforeValidator(_hide)]
"""Likewise, for streams."""
