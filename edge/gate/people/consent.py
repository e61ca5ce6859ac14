"""Whether a consent holds. Pure."""

from edge.gate.people.api import LONGEST_CONSENT_MS, Consent, NoConsent
from wire.roll import Person

_AHEAD_MS = 300_000
"""Two clocks of one community may differ by so much."""


def check_consent(consent: Consent, person: Person, *, now_ms: int) -> None:
    """NoConsent unless this person's face may be kept now, by this consent."""
    problems = {
        "they have not asked for their face to be a way in": not person.face,
        "a child's guardian has to consent": person.minor and not (consent.guardian or "").strip(),
        "who consents is not said": not consent.given_by.strip(),
        "the version of the text that they were shown is not said": not consent.text.strip(),
        "it lies in the future": consent.given_ms > now_ms + _AHEAD_MS,
        "it has ended": consent.expires_ms <= now_ms,
        "it is for longer than three years": consent.expires_ms - consent.given_ms > LONGEST_CONSENT_MS,
    }
    found = [text for text, is_so in problems.items() if is_so]
    if found:
        raise NoConsent(f"no face of {person.id} may be kept: {'; '.join(found)}")
