"""Whether files have changed, by looking at them now and then."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

_Look = tuple[int, int, int]


def digests(files: Iterable[Path]) -> dict[Path, str]:
    """Give the digest of each file's content; empty for one that cannot be read."""
    return {file: _digest(file) for file in files}


class FileWatch:
    """Says when the content of files has changed, and has stood still since the last look.

    `files` finds the files anew for each look; `content` are the digests of those that are known.
    """

    def __init__(self, files: Callable[[], Iterable[Path]], *, content: Mapping[Path, str]) -> None:
        self._files = files
        self._content = dict(content)
        self._seen: dict[Path, _Look | None] | None = None
        self._settled = True

    def look(self) -> bool:
        """Look once; whether there is a changed content that should be read now. Each is told once."""
        seen = {file: _look(file) for file in self._files()}
        if seen != self._seen:
            self._seen, self._settled = seen, False  # perhaps it is just being written
            return False
        if self._settled:
            return False
        self._settled = True
        content = digests(seen)
        changed = content != self._content
        self._content = content
        return changed


def _look(file: Path) -> _Look | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _digest(file: Path) -> str:
    try:
        return hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return ""
