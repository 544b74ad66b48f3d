"""Memory for the pictures under way, by bytes: a photograph takes a thousand times what a face crop does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from of3.engines.host import cores, memory_bytes

# A pixel of a picture being decoded: 3 of a JPEG, 6 of most others, 10 of one in CMYK (at 24 megapixels).
DECODING_BYTES = 10
# A pixel of what the detector is fed: its planes, and on the CPU what the network takes (at 12 to 48).
PLANES_BYTES, NETWORK_BYTES = 12, 26
SHARE, MOST_BYTES = 4, 2 << 30


class Budget:
    """What is taken must be released; a picture that takes more than there is goes alone."""

    def __init__(self, limit_bytes: int):
        self._limit, self._taken = limit_bytes, 0
        self._released = threading.Condition()

    def try_take(self, cost_bytes: int) -> bool:
        """Take it if there is room."""
        with self._released:
            fits = self._fits(cost_bytes)
            self._taken += cost_bytes if fits else 0
            return fits

    def release(self, cost_bytes: int) -> None:
        with self._released:
            self._taken -= cost_bytes
            self._released.notify_all()

    @contextmanager
    def taken(self, cost_bytes: int) -> Iterator[None]:
        """Wait until there is room; only for a thread that none of those that have taken waits for."""
        with self._released:
            self._released.wait_for(lambda: self._fits(cost_bytes))
            self._taken += cost_bytes
        try:
            yield
        finally:
            self.release(cost_bytes)

    def _fits(self, cost_bytes: int) -> bool:
        return not (cost_bytes and self._taken) or self._taken + cost_bytes <= self._limit


def default_bytes(busy_cores: int) -> int:
    """A quarter of the memory there is, 2 GB at most.  busy_cores: of a share of the machine; 0 all."""
    share = min(1.0, busy_cores / cores()) if busy_cores else 1.0
    there = memory_bytes()
    return MOST_BYTES if there is None else min(int(there * share) // SHARE, MOST_BYTES)


def cost_bytes(pixels: int, fed_pixels: float, is_on_cpu: bool) -> int:
    """Of a picture under way.  fed_pixels: to the detector, 0 without one.  is_on_cpu: where that runs."""
    fed = fed_pixels * (PLANES_BYTES + (NETWORK_BYTES if is_on_cpu else 0))
    return int(pixels * DECODING_BYTES + fed)
