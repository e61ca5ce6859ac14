"""An order to open from afar: whether it holds. Pure; the broker's credentials alone open nothing."""

from collections.abc import Callable

from wire.errors import WireError
from wire.orders import decode_order
from wire.roll import DoorOrder
from wire.seal import PublicKeys


class NoOrder(Exception):
    """An order that opens nothing; the text says why."""


def read_order(text: str, keys: PublicKeys, *, community: str, gate: str, accepts: Callable[[str], bool]) -> DoorOrder:
    """Read an order that the service signed for this gate a moment ago; NoOrder."""
    try:
        order = decode_order(text, keys)
    except WireError as error:
        raise NoOrder(f"the order does not hold: {error}") from error
    if (order.community, order.gate) != (community, gate):
        raise NoOrder("the order is for another gate")
    if not accepts(order.token):
        raise NoOrder("the order is too old")
    return order
