"""What a frame in plain text shows of a reader's points: for the cases of the catalogue and for who watches a line."""

from drivers.api import PointResult, Value
from drivers.osdp import codec, replies
from drivers.osdp.cards import credential, text_of
from drivers.osdp.codec import Frame, Reply
from drivers.places.osdp import OsdpPoint


def shown(name: str, place: OsdpPoint, frame: Frame) -> PointResult | None:
    """Give what a reply says of a point; None where it says nothing of it. Malformed."""
    if not frame.is_reply or frame.block:
        return None
    value: Value | None
    match frame.code, place.signal:
        case Reply.RAW, "card" | "facility" | "number":
            card = replies.card(frame.data)
            if card.reader != place.reader:
                return None
            said = credential(card)
            value = {"card": text_of(card), "facility": said.facility, "number": said.number}[place.signal]
            return PointResult(point=name, value=value, reason=said.reason if value is None else "")
        case Reply.LSTATR, "tamper":
            value = replies.local_status(frame.data).tamper
        case Reply.LSTATR, "power_failure":
            value = replies.local_status(frame.data).power_failure
        case Reply.OSTATR, "output_on":
            states = replies.outputs(frame.data)
            if place.number >= len(states):
                return None
            value = states[place.number]
        case Reply.PDID, "vendor" | "model" | "serial" | "firmware":
            identity = replies.identity(frame.data)
            value = getattr(identity, place.signal)
        case _:
            return None
    return PointResult(point=name, value=value)


def described(frame: Frame) -> str:
    """Say in a line what a frame is; nothing that is secret, and no key that was pressed."""
    try:
        name = (codec.Reply(frame.code) if frame.is_reply else codec.Command(frame.code)).name
    except ValueError:
        name = f"{frame.code:02X}H"
    secured = f" under block {frame.block[0]:02X}H" if frame.block else ""
    side = "reader" if frame.is_reply else "panel"
    return f"{side} {frame.address}: {name} no. {frame.sequence}{secured}, {len(frame.data)} bytes"
