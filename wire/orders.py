"""An order to open a gate as a text: `LINLI-ORDER1:` and the sealed order in base64url. It is a command's value."""

from wire.compact import Reader, Writer
from wire.errors import MalformedSeal, WireError
from wire.roll import DoorOrder
from wire.seal import Kind, PublicKeys, SigningKey, from_base64url, seal, to_base64url, unseal

PREFIX = "LINLI-ORDER1:"
LONGEST = 1000
"""The longest text: ids, names and a token are far shorter."""


class UnfitOrder(WireError):
    """An order that cannot be given as it is; the text says why."""


def encode_order(order: DoorOrder, key: SigningKey) -> str:
    """Sign an order; UnfitOrder says what is missing in it."""
    problem = _problem(order)
    if problem is not None:
        raise UnfitOrder(problem)
    out = Writer()
    for part in (order.id, order.community, order.gate, order.token, order.by):
        out.text(part)
    text = to_base64url(seal(Kind.ORDER, out.done(), key), PREFIX)
    if len(text) > LONGEST:
        raise UnfitOrder(f"an order has at most {LONGEST} characters, not {len(text)}")
    return text


def decode_order(text: str, keys: PublicKeys) -> DoorOrder:
    """Read an order that was signed by one of the keys; MalformedSeal or ForgedSeal.

    Whether it is for this gate, fresh and new is for the gate to judge.
    """
    if len(text) > LONGEST:
        raise MalformedSeal("too long for an order")
    _, body = unseal(from_base64url(text, PREFIX), keys, Kind.ORDER)
    read = Reader(body)
    order = DoorOrder(id=read.text(), community=read.text(), gate=read.text(), token=read.text(), by=read.text())
    read.end()
    problem = _problem(order)
    if problem is not None:
        raise MalformedSeal(problem)
    return order


def is_order(value: object) -> bool:
    """Whether a command's value is such a text; it is shown to nobody."""
    return isinstance(value, str) and value.startswith(PREFIX)


def _problem(order: DoorOrder) -> str | None:
    if all((order.id, order.community, order.gate, order.token, order.by)):
        return None
    return "an order has an id, a community, a gate, a token and who gave it"
