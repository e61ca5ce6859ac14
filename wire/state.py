"""STATE: how a host application says whether it is online (Sparkplug 3.0, chapter 5, "Sparkplug Host Application")."""

import json

from wire.events import HostState, Quarantined
from wire.payload import Message
from wire.topic import state_topic


def state_message(host_id: str, *, online: bool, timestamp_ms: int) -> Message:
    """Return a host's STATE; the will (online false) and the birth of one CONNECT share one timestamp."""
    content = json.dumps({"online": online, "timestamp": timestamp_ms}, separators=(",", ":"))
    return Message(topic=state_topic(host_id), payload=content.encode(), qos=1, retain=True)


def read_state(topic: str, host_id: str, payload: bytes) -> HostState | Quarantined:
    """Read a STATE message's JSON; one that cannot be read is quarantined, never raised."""
    try:
        content = json.loads(payload)
    except (ValueError, RecursionError) as error:  # the latter: thousands of nested brackets
        return Quarantined(topic=topic, payload=payload, reason=f"the STATE is not JSON: {error}")
    if isinstance(content, dict):
        online, timestamp = content.get("online"), content.get("timestamp")
        if isinstance(online, bool) and type(timestamp) is int:
            return HostState(host_id=host_id, online=online, timestamp_ms=timestamp)
    return Quarantined(topic=topic, payload=payload, reason="the STATE has no boolean online and integer timestamp")
