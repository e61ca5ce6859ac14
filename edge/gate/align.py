"""Looks through both cameras of a gate beside the agent, while somebody stands there, for aligning them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from drivers.api import Device, DriverError
from drivers.registry import open_bus, open_device
from edge.config import SiteConfig
from edge.gate.config import EyesSettings
from edge.gate.eyes.aligning import Alignment, CannotAlign, Sighting, look, measure
from edge.gate.eyes.alignment import visible_to_thermal
from edge.gate.ports import Frame, ThermalCamera, ThermalFrame, VisibleCamera
from models.face.stack import FaceStack
from runtime.cancellation import end

_ASK_EVERY_S = 0.1
_PAUSE_S = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Errand:
    """What is to be measured: so many looks at the gate's cameras, within a time."""

    agent: str
    gate: str
    looks: int
    seconds: float


async def align_gate(
    config: SiteConfig, errand: Errand, stack: FaceStack, tell: Callable[[int, int], None]
) -> Alignment:
    """Look until there is enough, and measure; `tell` hears how many looks of how many there are.

    CannotAlign when there is nothing to measure by, DriverError when a camera cannot be had.
    """
    gate = config.settings.agents[errand.agent].gates.get(errand.gate)
    if gate is None:
        raise CannotAlign(f"the agent `{errand.agent}` has no gate `{errand.gate}`")
    eyes = gate.eyes
    if eyes is None or eyes.thermal is None:
        raise CannotAlign(f"the gate `{errand.gate}` has no thermal camera: there is nothing to align")
    async with (
        _open(config, errand.agent, eyes.camera) as camera,
        _open(config, errand.agent, eyes.thermal.device) as warm,
    ):
        if not isinstance(camera, VisibleCamera) or not isinstance(warm, ThermalCamera):
            raise CannotAlign(f"the devices of the gate `{errand.gate}` are not two cameras")
        return await _measure(_Cameras(eyes=eyes, visible=camera, warm=warm), errand, stack, tell)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cameras:
    eyes: EyesSettings
    visible: VisibleCamera
    warm: ThermalCamera


async def _measure(cameras: _Cameras, errand: Errand, stack: FaceStack, tell: Callable[[int, int], None]) -> Alignment:
    settings = cameras.eyes.thermal
    align = None if settings is None else settings.align
    max_age_s = 0.5 if settings is None else settings.max_age.total_seconds()
    found: list[Sighting] = []
    sizes: tuple[tuple[int, int], tuple[int, int]] | None = None
    with suppress(TimeoutError):
        async with asyncio.timeout(errand.seconds):
            async for frame, felt in _pairs(cameras.visible, cameras.warm, max_age_s):
                visible = (frame.image.shape[0], frame.image.shape[1])
                thermal = (felt.temperatures.shape[0], felt.temperatures.shape[1])
                sizes = (visible, thermal)
                believed = visible_to_thermal(align, visible, thermal)
                one = await asyncio.to_thread(look, stack, frame.image, felt.temperatures, believed)
                if one is not None:
                    found.append(one)
                    tell(len(found), errand.looks)
                if len(found) >= errand.looks:
                    break
    if sizes is None:
        raise CannotAlign("no picture came from both cameras together: look at their power and network")
    return measure(found, visible_to_thermal(align, *sizes), *sizes)


async def _pairs(
    camera: VisibleCamera, warm: ThermalCamera, max_age_s: float
) -> AsyncIterator[tuple[Frame, ThermalFrame]]:
    """Give pictures of both cameras of one moment, as they come."""
    number = 0
    while True:
        frame = await camera.wait_newer(number)
        number = frame.number
        felt = warm.latest()
        if felt is not None and abs(felt.at_s - frame.at_s) <= max_age_s:
            yield frame, felt
        await asyncio.sleep(_PAUSE_S)


@asynccontextmanager
async def _open(config: SiteConfig, agent: str, device: str) -> AsyncIterator[Device]:
    """Open a device of the site file with its bus, beside the agent."""
    settings = config.settings.agents[agent]
    one = settings.devices[device]
    bus = open_bus(settings.buses[one.bus], name=one.bus)
    opened = open_device(bus, one, config.profile_of(one), name=device)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(bus.close)
        await bus.connect()
        asking = asyncio.create_task(_ask(opened, tuple(config.profile_of(one).points)[:1]), name=f"ask:{device}")
        stack.push_async_callback(end, asking)
        yield opened


async def _ask(device: Device, points: tuple[str, ...]) -> None:
    """Keep asking, for cameras that give a picture only when they are asked."""
    while True:
        with suppress(DriverError):
            await device.read(points)
        await asyncio.sleep(_ASK_EVERY_S)
