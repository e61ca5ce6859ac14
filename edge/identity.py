"""What a device is to those who hear of it: what its birth says, and a key that names exactly this. Pure.

Each journal record names the identity under which it was made. So a record that waits while its device is changed or
removed is still sent under the birth by which it can be understood, also by a later process.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from drivers.profile import AlarmOverride, Label, Profile, parse_overrides, parse_profile
from runtime.config import ConfigError

_KIND = "identity"


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceIdentity:
    """What a device's birth says of it beside its points. `profile_hash` is that of `profile`, which is slow to ask."""

    label: Label
    place: str
    profile: Profile
    profile_hash: str
    overrides: Mapping[str, AlarmOverride]

    @property
    def document(self) -> str:
        """The canonical JSON, which names the profile by its hash."""
        said = {
            "kind": _KIND,
            "label": self.label.model_dump(),
            "place": self.place,
            "profile": self.profile_hash,
            "alarms": {name: one.model_dump(mode="json") for name, one in self.overrides.items()},
        }
        return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    @property
    def key(self) -> str:
        """16 hexadecimal digits over the document."""
        return hashlib.blake2b(self.document.encode(), digest_size=8).hexdigest()


def read_identities(documents: Mapping[str, str]) -> Iterator[tuple[str, DeviceIdentity]]:
    """Read back kept documents, those of identities and those of profiles, each by its key.

    What this version cannot read any more is left out, and so are those who need it.
    """
    profiles: dict[str, Profile | None] = {}

    def profile_of(profile_hash: str) -> Profile | None:
        if profile_hash not in profiles:
            try:
                profiles[profile_hash] = parse_profile(documents.get(profile_hash, ""), source=profile_hash)
            except ConfigError:
                profiles[profile_hash] = None
        return profiles[profile_hash]

    for key, document in documents.items():
        try:
            said = json.loads(document)
            if said.get("kind") != _KIND:
                continue  # a profile, whose kind is that of its devices
            label = Label.model_validate(said["label"])
            overrides = parse_overrides(json.dumps(said["alarms"]))
            place, profile_hash = str(said["place"]), str(said["profile"])
        except (ValueError, KeyError, AttributeError):
            continue
        profile = profile_of(profile_hash)
        if profile is not None:
            yield (
                key,
                DeviceIdentity(
                    label=label, place=place, profile=profile, profile_hash=profile_hash, overrides=overrides
                ),
            )
