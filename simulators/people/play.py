"""A visit in time: people walk up and grow, stand and are never quite still, breathe, and walk away. Pure."""

import math
from dataclasses import replace

import numpy as np

from simulators.people.attempts import NOBODY, Kind
from simulators.people.moment import Moment
from simulators.people.stage import WALKS_AWAY, WALKS_UP, Visit
from simulators.people.take import Light, Pose

AIR = 22.0
_MS = 1000.0
_FAR = 0.35  # of the size at which they stand: so small they come into view
_BREATHS_PER_S = 0.25


def moment_of(visit: Visit, now_ms: int, *, air: float = AIR) -> Moment:
    """Give what there is to see of a visit at a time, for every camera alike."""
    if now_ms < visit.begun_ms:
        return _empty(now_ms, air) if visit.before is None else moment_of(visit.before, now_ms, air=air)
    if visit.act.kind is Kind.NOBODY:
        return _sent_away(visit, now_ms, air)
    until = visit.stands_until_ms
    if until is not None and now_ms >= until:
        return _leaving(visit, until, now_ms, air)
    moment = _standing(visit, now_ms, air)
    if now_ms >= visit.stands_from_ms:
        return moment
    near = (now_ms - visit.begun_ms) / (WALKS_UP.total_seconds() * _MS)
    return replace(moment, pose=_walking(moment.pose, near, now_ms))


def _empty(now_ms: int, air: float) -> Moment:
    return Moment(act=NOBODY, air=air, picture=now_ms)


def _sent_away(visit: Visit, now_ms: int, air: float) -> Moment:
    """Have whoever stands there walk away; who had gone already does not come back for it."""
    last = visit.before
    if last is None or last.act.kind is Kind.NOBODY:
        return _empty(now_ms, air)
    until = last.stands_until_ms
    return _leaving(last, visit.begun_ms if until is None else min(until, visit.begun_ms), now_ms, air)


def _leaving(visit: Visit, from_ms: int, now_ms: int, air: float) -> Moment:
    away = (now_ms - from_ms) / (WALKS_AWAY.total_seconds() * _MS)
    if visit.act.at_once or away >= 1:
        return _empty(now_ms, air)
    moment = _standing(visit, now_ms, air)
    side = 1.0 if visit.seed % 2 else -1.0
    pose = moment.pose
    gone = replace(
        pose,
        x=pose.x + side * 1.3 * away**1.5,
        yaw=pose.yaw + side * 0.7 * min(1.0, 2 * away),
        half=pose.half * (1 + 0.1 * away),
    )
    return replace(moment, pose=gone)


def _standing(visit: Visit, now_ms: int, air: float) -> Moment:
    chance = np.random.default_rng([visit.seed, 1])
    s = (now_ms - visit.begun_ms) / _MS
    phases = chance.uniform(0, 2 * math.pi, 8)

    def sways(number: int, period_s: float) -> float:
        return math.sin(2 * math.pi * s / period_s + phases[number])

    half = chance.uniform(0.140, 0.160)
    two = visit.act.kind is Kind.TWO
    pose = Pose(
        x=chance.uniform(-0.05, 0.05) - (0.2 * (1 if visit.seed % 2 else -1) if two else 0.0) + 0.006 * sways(0, 3.1),
        y=chance.uniform(0.38, 0.43) + 0.004 * sways(1, 2.3),
        half=half * (1 + 0.01 * sways(2, 4.3)) * (0.85 if two else 1.0),
        yaw=chance.uniform(-0.06, 0.06) + 0.03 * sways(3, 5.7),
        pitch=chance.uniform(-0.04, 0.04) + 0.02 * sways(4, 4.9),
        roll=chance.uniform(-0.03, 0.03) + 0.01 * sways(5, 6.1),
        smile=max(0.0, chance.uniform(-1, 0.8)) * (0.6 + 0.4 * sways(6, 3.7)),
        brows=max(0.0, chance.uniform(-1, 0.6)),
    )
    light = Light(
        across=chance.uniform(-0.45, 0.45),
        above=chance.uniform(0.3, 0.6),
        strength=chance.uniform(0.85, 1.05),
        ambient=chance.uniform(0.5, 0.62),
        warm=chance.uniform(-0.4, 0.4),
    )
    breath = math.sin(2 * math.pi * _BREATHS_PER_S * s + phases[7])
    return Moment(act=visit.act, pose=pose, light=light, air=air, breath=breath, visit=visit.seed, picture=now_ms)


def _walking(pose: Pose, near: float, now_ms: int) -> Pose:
    """Come nearer evenly: size goes with one over distance."""
    scale = 1 / (1 / _FAR + (1 - 1 / _FAR) * near)
    bob = 0.006 * math.sin(2 * math.pi * now_ms / 550)
    return replace(pose, half=pose.half * scale, x=pose.x * near, y=0.47 + (pose.y - 0.47) * near + bob * scale)
