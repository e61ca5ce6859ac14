"""The system's Chromium, for tests and screenshots; none is ever downloaded."""

import os
import shutil
from pathlib import Path

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> Path | None:
    """Find the browser, or None."""
    for name in NAMES:
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    return None


def is_required() -> bool:
    """Whether a missing browser is a failure: a CI that skips the browser's tests would prove nothing."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def missing() -> str:
    """Say what to do about a missing browser."""
    return f"no Chromium found (looked for {', '.join(NAMES)}): `apt-get install chromium`"
