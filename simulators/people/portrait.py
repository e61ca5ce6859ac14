"""Pictures of somebody who stands still in good light: what an enrolment takes. Pure."""

from simulators.people.attempts import Act, Kind
from simulators.people.cast import Role
from simulators.people.moment import Moment
from simulators.people.take import Light, Pose
from simulators.people.visible import Image, see

_POSES = (
    Pose(half=0.16),
    Pose(half=0.15, yaw=0.06, smile=0.4),
    Pose(half=0.155, yaw=-0.06, pitch=0.03),
    Pose(half=0.165, pitch=-0.04, brows=0.4),
)
_LIGHT = Light(across=0.15, above=0.45, strength=0.95, ambient=0.6)


def portraits(role: Role, number: int, *, count: int = 3, width: int = 640, height: int = 480) -> tuple[Image, ...]:
    """Give so many pictures of a person by role and number, alike but not the same."""
    act = Act(kind=Kind.PERSON, role=role, number=number)
    return tuple(
        see(
            Moment(act=act, pose=_POSES[take % len(_POSES)], light=_LIGHT, visit=number, picture=take),
            width=width,
            height=height,
        )
        for take in range(count)
    )
