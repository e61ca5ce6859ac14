"""What points show of given messages, for the cases of the catalogue."""

from collections.abc import Iterable, Mapping

from drivers.json_mqtt import codec, payload
from drivers.json_mqtt.codec import NotUnderstood, Shown
from drivers.json_mqtt.topics import filter_of, matches
from drivers.places.message import JsonPoint
from drivers.profile import Profile


def shown(profile: Profile, name: str, messages: Iterable[tuple[str, str]]) -> Shown | None:
    """Give what a point shows after messages (topic, payload), each from any device; None when none speaks of it."""
    point = profile.points[name].at(JsonPoint)
    topic = profile.json_defaults.topics.get(point.topic)
    if topic is None or not point.is_readable:
        return None
    topic_filter = filter_of(topic.topic, _known(profile.json_defaults.variables))
    last: Shown | None = None
    for said_on, text in messages:
        if not matches(topic_filter, said_on):
            continue
        try:
            content = payload.read(topic, text.encode())
        except NotUnderstood as error:
            last = Shown(value=None, reason=str(error))
            continue
        last = codec.decode(point, content) or last
    return last


def _known(variables: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in variables.items() if name != "address"}
