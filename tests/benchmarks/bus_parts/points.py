"""The points of the benchmark, whose values say where they come from."""

from drivers.profile import Profile
from runtime.config import validate

POINTS = 1000
HOLE = 37  # with holes, the point with this number of every hundred is refused
VARIANTS = 8
_LABEL = {"zh": "点", "en": "point"}


def value(unit: int, index: int, variant: int) -> float:
    """Give what point `index` of a unit shows; exact in 32 bits."""
    return float((unit * 2048 + index) * VARIANTS + variant)


def belongs(unit: int, index: int, shown: object) -> bool:
    """Whether a value is one of this point's."""
    return isinstance(shown, float) and shown.is_integer() and int(shown) // VARIANTS == unit * 2048 + index


def document(points: int, *, poll: str) -> dict[str, object]:
    """Give a profile of 32-bit floats, one after the other."""
    return {
        "schema": 1,
        "name": "bench-floats",
        "version": "1.0.0",
        "kind": "pump",
        "label": _LABEL,
        "protocol": "modbus",
        "modbus": {"max_registers": 120},
        "points": {
            f"p{index}": {
                "label": _LABEL,
                "modbus": {"table": "holding", "address": 2 * index, "type": "float32"},
                "poll": poll,
                "sample": 0.0,
            }
            for index in range(points)
        },
    }


def profile(points: int = POINTS, *, poll: str = "1s") -> Profile:
    return validate("bench", document(points, poll=poll), Profile)
