"""How busy a GPU is, as NVML says; nothing where there is no NVML."""

import ctypes
import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager

EVERY_S = 0.1
LIBRARY = "libnvidia-ml.so.1"


class Utilization(ctypes.Structure):
    """nvmlUtilization_t: shares of the last interval, in per cent."""

    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class Busy:
    """What was seen while the body of `watched` ran."""

    def __init__(self) -> None:
        self._seen: list[int] = []

    def note(self, percent: int) -> None:
        self._seen.append(percent)

    @property
    def share(self) -> float | None:
        """The mean of its busy time from first work to last; None where nobody could say."""
        worked = [index for index, percent in enumerate(self._seen) if percent]
        if not worked:
            return 0.0 if self._seen else None
        return statistics.mean(self._seen[worked[0] : worked[-1] + 1]) / 100


@contextmanager
def watched(index: int = 0) -> Iterator[Busy]:
    """Look at a GPU, by NVML's number, ten times a second."""
    busy, is_over = Busy(), threading.Event()
    watcher = threading.Thread(target=_watch, args=(index, busy, is_over), daemon=True)
    watcher.start()
    try:
        yield busy
    finally:
        is_over.set()
        watcher.join()


def _watch(index: int, busy: Busy, is_over: threading.Event) -> None:
    try:
        nvml = ctypes.CDLL(LIBRARY)
    except OSError:
        return
    handle, now = ctypes.c_void_p(), Utilization()
    if nvml.nvmlInit_v2() or nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)):
        return
    while not is_over.wait(EVERY_S):
        if nvml.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(now)) == 0:
            busy.note(now.gpu)
    nvml.nvmlShutdown()
