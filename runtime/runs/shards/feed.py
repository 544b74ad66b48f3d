"""How many processes feed a GPU: as many as its engine takes, where there is room for them.

One process hands an engine at most what its interpreter's lock lets through, however many cores it has.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from of3.engines import host
from of3.runtime.logs.items import Item
from of3.runtime.options import Options
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.shards.plan import Plan
from of3.runtime.runs.shards.process import WORKER_BYTES
from of3.runtime.runs.shards.rates import NotMeasured, Rates, measure
from of3.runtime.runs.shards.results import Task

WORTH_MEASURING = 10_000  # pictures a GPU: some seconds of one process, which measuring takes as well
MEASURED_ON = 200  # pictures
WELL_FED = 0.9  # of what the engine does alone: a process that it waits for least comes no nearer
# A process whose lock is what it waits for keeps one core busy, and its decoders, which do without it, another.
CORES_EACH = 2
MOST_UNASKED = 4  # where CUDA cannot tell what memory the GPU has
GB = 1e9


@dataclass(frozen=True, slots=True)
class Feed:
    """a_gpu: processes.  why: a line for the user, empty where there was nothing to decide."""

    a_gpu: int = 1
    why: str = ""


@dataclass(frozen=True, slots=True)
class Room:
    """What a GPU's processes have of the machine.  memory_bytes: None where nobody says."""

    cores: int
    memory_bytes: float | None


def feed_of(rates: Rates, room: Room) -> Feed:
    """Enough processes for the engine, or as many as there is room for; one at least."""
    wanted = max(1, math.ceil(WELL_FED * rates.engine / rates.process))
    most, of_what = min(limits(rates, room))
    a_gpu = max(1, min(wanted, most))
    lacks = f" ({wanted} would feed it, {of_what})" if a_gpu < wanted else ""
    does = f"its engine does {rates.engine:.0f} images/s, one process feeds it {rates.process:.0f}"
    return Feed(a_gpu, f"{counted(a_gpu)} a GPU{lacks}: {does}")


def limits(rates: Rates, room: Room) -> Iterator[tuple[int, str]]:
    """How many processes there is room for, by each thing that they take, and in words."""
    yield room.cores // CORES_EACH, f"at {CORES_EACH} cores each there is no room for more"
    if room.memory_bytes is not None:
        most = int(room.memory_bytes // WORKER_BYTES)
        yield most, f"at {WORKER_BYTES / GB:.1f} GB of memory each there is no room for more"
    if rates.memory is None:
        yield MOST_UNASKED, "but nobody says how much memory it has"
    else:
        each = rates.memory.each_bytes
        most = 1 + rates.memory.free_bytes // each  # one is at work
        yield most, f"at {each / GB:.1f} GB of its memory each there is no room for more"


def counted(processes: int) -> str:
    return f"{processes} process{'es' * (processes != 1)}"


def feed_for(
    options: Options, plan: Plan, tasks: Sequence[Task], gpus: Sequence[str], interruption: Interruption
) -> Feed:
    """What suits the tasks that are left, measured on the first GPU: the others are taken to be like it."""
    if sum(task.pictures for task in tasks) < WORTH_MEASURING * len(gpus):
        return Feed()
    cores = max(1, host.cores() // len(gpus))
    there = host.memory_bytes()
    room = Room(cores, None if there is None else there / len(gpus))
    try:
        rates = measure(options, plan, first_of(plan, tasks), cores, gpus[0], interruption)
    except NotMeasured as error:
        return Feed(1, f"1 process a GPU, not measured whether more would do: {error}")
    return feed_of(rates, room)


def first_of(plan: Plan, tasks: Sequence[Task]) -> list[Item]:
    """The first pictures of what is left."""
    left = chain.from_iterable(plan.items(task.shard)[task.first : task.last] for task in tasks)
    return list(islice(left, MEASURED_ON))
