"""What a cluster would do: every shard simulated, on nodes that differ and fail; then what they share.

The assumptions are the fields of `Cluster`; nothing of it is measured here but what the caller fills in.
"""

import heapq
import random
from dataclasses import dataclass

PER_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """Assumptions."""

    nodes: int
    images: float
    node_rate: float  # images/s of one node
    shard: int  # images
    start_s: float  # of a worker, measured
    manifest_s: float  # for a million images, one process
    merge_s: float  # for a million rows, one process
    image_bytes: float = 60e3  # a JPEG of 512 px
    kept_bytes: float = 200.0  # a picture, of parts and tables, written twice
    files_an_image: float = 2.0  # opened or made: the picture, its .tsv
    storage_bytes_s: float = 50e9  # of the shared file system, all nodes together
    storage_files_s: float = 100e3  # files opened or made, likewise
    deviation: float = 0.1  # of the nodes' rates, standard, of the mean
    failure_hours: float = 100.0  # of a node, mean time between; such as may be taken away
    repair_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    compute_s: float  # until the last shard is done, were storage without limit
    efficiency: float  # of the nodes' time until then that went into images kept
    failures: int
    storage_s: float  # to read, open and write everything at the storage's limits
    manifest_s: float
    merge_s: float

    @property
    def first_limit(self) -> str:
        stages = {"the nodes": self.compute_s, "shared storage": self.storage_s}
        stages |= {"the manifest": self.manifest_s, "the merge": self.merge_s}
        return max(stages, key=lambda name: stages[name])


def simulate(cluster: Cluster, seed: int = 0) -> Outcome:
    """Every shard to the next free node; one that fails loses the shard it is at and comes back later."""
    chance = random.Random(seed)
    rates = [max(0.2, chance.gauss(1, cluster.deviation)) * cluster.node_rate for _ in range(cluster.nodes)]
    fails_s = [chance.expovariate(1 / (cluster.failure_hours * PER_HOUR_S)) for _ in rates]
    free = [(cluster.start_s, node) for node in range(cluster.nodes)]
    heapq.heapify(free)
    left, failures, last_s = round(cluster.images / cluster.shard), 0, 0.0
    while left:
        now_s, node = heapq.heappop(free)
        end_s = now_s + cluster.shard / rates[node]
        if end_s > fails_s[node]:
            failures += 1
            back_s = max(now_s, fails_s[node]) + cluster.repair_s + cluster.start_s
            fails_s[node] = back_s + chance.expovariate(1 / (cluster.failure_hours * PER_HOUR_S))
            heapq.heappush(free, (back_s, node))
            continue
        left -= 1
        last_s = max(last_s, end_s)
        heapq.heappush(free, (end_s, node))
    traffic = cluster.images * (cluster.image_bytes + 2 * cluster.kept_bytes) / cluster.storage_bytes_s
    files = cluster.images * cluster.files_an_image / cluster.storage_files_s
    return Outcome(
        compute_s=last_s,
        efficiency=cluster.images / (sum(rates) * last_s),
        failures=failures,
        storage_s=max(traffic, files),
        manifest_s=cluster.manifest_s * cluster.images / 1e6,
        merge_s=cluster.merge_s * cluster.images / 1e6,
    )
