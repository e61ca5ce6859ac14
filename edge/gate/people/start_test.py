"""The self-test at a gate's start: a model that takes strangers for friends must not decide here."""

from edge.gate.people.people import People
from models.face.selftest import self_test
from models.face.stack import FaceStack


def start_test(stack: FaceStack, people: People) -> tuple[str, ...]:
    """Test a stack with the threshold that is in force; give what is wrong, empty when it may decide. Blocking: 1 s.

    With a calibrated threshold the drawn person need not be known again (drawings are not what it was calibrated for);
    that strangers are told apart, and that the values are those that are known, must hold with any.
    """
    force = people.in_force(people.model)
    limit = force.verify if force.threshold is None else force.threshold
    problems = self_test(stack, limit)
    return tuple(one for one in problems if one != _STRICT) if force.threshold is not None else problems


_STRICT = "it does not know the drawn person again"
