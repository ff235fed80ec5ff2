"""What a thin wire does to frames, without the wire."""

import asyncio
import math

from tests.cluster.relay import QUEUE_SECONDS, Lane, Wire

FRAME = bytes(1000)


async def test_frames_leave_one_after_the_other_at_the_rate_of_the_wire() -> None:
    came = list[bytes]()
    lane, began = Lane(Wire(0.0, 0.0, rate=100_000), came.append), asyncio.get_running_loop().time()
    sent = [bytes([index]) * 1000 for index in range(10)]
    for frame in sent:
        lane.carry(frame)
    while len(came) < len(sent):
        await asyncio.sleep(0.001)
    assert came == sent
    assert asyncio.get_running_loop().time() - began >= 0.1


async def test_a_wire_without_a_rate_holds_nothing_back() -> None:
    came = list[bytes]()
    lane = Lane(Wire(0.0, 0.0, rate=math.inf), came.append)
    for _ in range(1000):
        lane.carry(FRAME)
    while len(came) < 1000:
        await asyncio.sleep(0)


async def test_what_would_wait_too_long_for_a_thin_wire_is_dropped() -> None:
    came, loop = list[bytes](), asyncio.get_running_loop()
    lane, began = Lane(Wire(0.0, 0.0, rate=100_000), came.append), loop.time()
    for _ in range(100):
        lane.carry(FRAME)
    most = 100_000 * (QUEUE_SECONDS + loop.time() - began) / len(FRAME) + 1
    while loop.time() < began + 2 * QUEUE_SECONDS:
        await asyncio.sleep(QUEUE_SECONDS / 10)
    assert 1 < len(came) <= most


async def test_a_wire_that_loses_everything_carries_nothing() -> None:
    came = list[bytes]()
    lane = Lane(Wire(0.0, 1.0, rate=math.inf), came.append)
    lane.carry(FRAME)
    await asyncio.sleep(0.01)
    assert came == []
