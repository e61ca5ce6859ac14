import pytest

from edge.gate.remote import NoOrder, read_order
from wire.orders import encode_order
from wire.roll import DoorOrder
from wire.seal import PublicKeys, SigningKey

KEY, OTHER = SigningKey(seed=bytes(32)), SigningKey(seed=bytes([1]) * 32)
TRUSTED = PublicKeys.of([KEY.public])
ORDER = DoorOrder(id="c1", community="c", gate="edge-1/north", token="fresh", by="operator")


def read(text: str) -> DoorOrder:
    return read_order(text, TRUSTED, community="c", gate="edge-1/north", accepts=lambda token: token == "fresh")


def test_an_order_of_the_service_for_this_gate_holds() -> None:
    assert read(encode_order(ORDER, KEY)) == ORDER


@pytest.mark.parametrize(
    ("order", "key", "why"),
    [
        (ORDER, OTHER, "does not hold"),
        (DoorOrder(id="c1", community="c", gate="edge-1/south", token="fresh", by="o"), KEY, "another gate"),
        (DoorOrder(id="c1", community="d", gate="edge-1/north", token="fresh", by="o"), KEY, "another gate"),
        (DoorOrder(id="c1", community="c", gate="edge-1/north", token="old", by="o"), KEY, "too old"),
    ],
)
def test_any_other_order_opens_nothing(order: DoorOrder, key: SigningKey, why: str) -> None:
    with pytest.raises(NoOrder, match=why):
        read(encode_order(order, key))


@pytest.mark.parametrize("text", ["", "open", "LINLI-ORDER1:", "LINLI-ORDER1:AAAA"])
def test_what_is_no_order_opens_nothing(text: str) -> None:
    with pytest.raises(NoOrder, match="does not hold"):
        read(text)
