"""The camera's side of HTTP and RTSP authentication (RFC 7616, RFC 2617): digest with MD5, or basic."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

_PAIR = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]+))')


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    """Asks for a user. `nonce` is the server's; with `qop` the stronger form of RFC 7616, as over HTTP."""

    user: str
    password: str
    nonce: str
    realm: str = "IP Camera"
    scheme: str = "digest"
    qop: bool = True

    @property
    def challenge(self) -> str:
        """The header `WWW-Authenticate`."""
        if self.scheme == "basic":
            return f'Basic realm="{self.realm}"'
        qop = ', qop="auth"' if self.qop else ""
        return f'Digest realm="{self.realm}", nonce="{self.nonce}"{qop}'

    def lets_in(self, authorization: str, method: str) -> bool:
        """Whether a header `Authorization` proves that the client knows the password."""
        scheme, _, rest = authorization.partition(" ")
        if scheme.lower() != self.scheme:
            return False
        if self.scheme == "basic":
            expected = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            return hmac.compare_digest(rest.strip(), expected)
        given = {key.lower(): quoted or plain for key, quoted, plain in _PAIR.findall(rest)}
        return given.get("nonce") == self.nonce and hmac.compare_digest(
            given.get("response", ""), self._expected(given, method)
        )

    def _expected(self, given: Mapping[str, str], method: str) -> str:
        secret = _md5(f"{self.user}:{self.realm}:{self.password}")
        asked = _md5(f"{method}:{given.get('uri', '')}")
        if not self.qop:
            return _md5(f"{secret}:{self.nonce}:{asked}")
        middle = ":".join(given.get(key, "") for key in ("nonce", "nc", "cnonce", "qop"))
        return _md5(f"{secret}:{middle}:{asked}")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()  # noqa: S324 - what RFC 2617 prescribes
