"""Profiles of devices that speak by themselves, as small as a test needs them."""

from drivers.profile import Profile
from runtime.config import validate


def spoken_profile(
    protocol: str, points: dict[str, dict[str, object]], sample: dict[str, object] | None = None, **defaults: object
) -> Profile:
    """Make a profile: `points` by name to their table of the protocol, `sample` by name where it is no 20.0."""
    made = {
        name: {"label": {"zh": "点", "en": "Point"}, protocol: table, "sample": (sample or {}).get(name, 20.0)}
        for name, table in points.items()
    }
    data = {
        "schema": 1,
        "name": "spoken",
        "version": "1.0.0",
        "kind": "spoken",
        "label": {"zh": "设备", "en": "Device"},
        "protocol": protocol,
        "points": made,
        **defaults,
    }
    return validate("test", data, Profile)


def thermal_profile(**points: dict[str, object]) -> Profile:
    """Make a thermal array's profile: name to its table."""
    return spoken_profile("thermal-array", points)


def reader_profile(**how: object) -> Profile:
    """Make a reader's profile with all its points, which frames as `how` says."""
    fields = ("text", "card", "facility", "count", "malformed")
    samples: dict[str, object] = {"text": "PASS", "card": "0000000001", "facility": 1, "count": 0, "malformed": 0}
    points: dict[str, dict[str, object]] = {field: {"field": field} for field in fields}
    return spoken_profile("reader", points, samples, reader=how)
