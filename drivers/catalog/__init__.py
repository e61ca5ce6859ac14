"""The device types that come with Linli: one folder each, with `profile.toml`, `README.md` and `cases/`."""

from collections.abc import Mapping
from pathlib import Path

from drivers.profile import Profile, load_profile
from runtime.config import ConfigError, Problem

_HERE = Path(__file__).parent


def folders() -> Mapping[str, Path]:
    """Give the folder of each device type by its name, in alphabetical order."""
    return {file.parent.name: file.parent for file in sorted(_HERE.glob("*/profile.toml"))}


def profile_names() -> tuple[str, ...]:
    """Give the names of all device types, in alphabetical order."""
    return tuple(folders())


def catalog_profile(name: str) -> Profile:
    """Load a device type by name; ConfigError for a name that the catalogue does not have."""
    known = folders()
    if name not in known:
        problem = Problem(key="", message="not in the catalogue", remedy=f"use one of {', '.join(known)}, or a file")
        raise ConfigError(name, (problem,))
    return load_profile(known[name] / "profile.toml")
