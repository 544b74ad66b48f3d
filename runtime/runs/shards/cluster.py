"""Workers that are actors of a Ray cluster: one a GPU, or one a core of a machine without.

Ray Core only, and none of its retries: what a lost worker means is for `dispatch` to say.  Input and log folder
are on a file system that every machine shares; the bundle is, or comes through Ray's object store, once each.
"""

import os
import secrets
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from of3.engines.host import room_for
from of3.engines.manifest import read_bundle
from of3.runtime.logs.counts import Counts
from of3.runtime.options import Options
from of3.runtime.runs.interruption import Interruption
from of3.runtime.runs.runinfo import Processes
from of3.runtime.runs.shards.actors import Actor, BundleThere, VideoActor
from of3.runtime.runs.shards.plan import Plan
from of3.runtime.runs.shards.pool import WorkerLost, WorkerReady
from of3.runtime.runs.shards.process import WORKER_BYTES
from of3.runtime.runs.shards.results import Task
from of3.runtime.runs.shards.shipment import Files, bundle_files
from of3.runtime.settings import MAX_PIXELS_VARIABLE
from of3.runtime.types import RunError
from of3.runtime.video_options import VideoOptions

INSTALL = "pip install 'of3[ray]'"
OWN_STORE_BYTES = 256 << 20  # of a cluster of this run's own: nothing but the bundle goes through it
CONNECT_WITHIN_S = 10.0
LONGEST_TEMPORARY = 24  # characters; 65 and a name of ours come after it in a socket's, which ends at 107
# Ray tells its makers even that it was told not to tell, and asks three clouds whether the machine is theirs:
# its processes speak HTTP to a port of this machine where nobody listens.  (gRPC does not look at ALL_PROXY.)
NOWHERE = {"RAY_USAGE_STATS_REPORT_URL": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"}


def import_ray(is_own_cluster: bool = False) -> Any:
    """Ray, which reports nothing to anybody.  Raises RunError naming the extra to install.

    A cluster of this run's own listens on every interface, as Ray does, but only to who has its token.
    """
    if is_own_cluster:
        os.environ.update(NOWHERE)
    if is_own_cluster and "RAY_AUTH_MODE" not in os.environ:
        os.environ.update({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)})
    try:
        import ray
    except ImportError as error:
        raise RunError(f"--executor ray: Ray cannot be imported ({error}): {INSTALL}") from error
    return ray


class RayPool:
    """Contract: `of3.runtime.runs.shards.pool.WorkerPool`.  Connected to a cluster, or with one of its own."""

    def __init__(self, options: Options, interruption: Interruption):
        """Raises RunError: no Ray, no cluster, no machine in it that can work."""
        self._options = options
        where = options.ray_address or os.environ.get("RAY_ADDRESS") or "local"
        self._ray = import_ray(is_own_cluster=where == "local")
        self._own = ExitStack()  # what is there for a cluster of this run's own
        self._connect(where)
        interruption.arm()  # Ray has set handlers of its own
        machines = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        self._needs = needs_of(machines, options)
        self.size = len(self._needs)
        self._shipped = None
        if len(machines) > 1:
            self._shipped = self._ray.put(bundle_files(options))

    def _connect(self, where: str) -> None:
        own: dict[str, Any] = {}
        if where == "local":
            folder = self._own.enter_context(session_folder())
            own = {"include_dashboard": False, "object_store_memory": OWN_STORE_BYTES, "_temp_dir": folder}
        try:
            check_answers(where)
            self._ray.init(where, logging_level="ERROR", **own)
        except (OSError, ValueError, RuntimeError) as error:
            raise RunError(
                f"--executor ray: {where}: {error}: start a cluster with `ray start --head` and pass its "
                "--ray_address, or neither for one of this run's own"
            ) from error

    def prepare(self, plan: Plan, tasks: Sequence[Task]) -> None:
        """The cluster's machines are as they are."""

    def cap(self, most: int) -> None:
        self.size = min(self.size, most)

    def start_worker(self, plan: Plan, index: int) -> "RayWorker":
        return self._started(index, Actor, self._options, plan, Processes(self.size))

    def start_video_worker(self, options: VideoOptions, index: int) -> "RayWorker":
        return self._started(index, VideoActor, options)

    def _started(self, index: int, kind: type, *arguments: Any) -> "RayWorker":
        actor = self._ray.remote(kind).options(
            **self._needs[index],
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=2,  # to be asked how far it is, or to stop, while it works
            runtime_env={"env_vars": {MAX_PIXELS_VARIABLE: os.environ[MAX_PIXELS_VARIABLE]}},
        )
        cores = max(1, int(self._needs[index]["num_cpus"]))
        folder = self._options.bundle
        bundle = BundleThere(read_bundle(folder).digest, partial(fetched, [self._shipped], folder))
        return RayWorker(self._ray, actor.remote(bundle, cores, *arguments))

    def __enter__(self) -> "RayPool":
        return self

    def __exit__(self, *_: object) -> None:
        self._ray.shutdown()
        self._own.close()


def fetched(shipped: Sequence[Any], bundle: Path) -> Files:
    """The files of a bundle, in an actor.

    shipped: their place in Ray's object store, or None; in a list, which Ray leaves as it is.
    bundle: where they are on the machine that has them.
    """
    (reference,) = shipped
    if reference is None:
        raise RunError(f"{bundle}: not there on this machine")
    files: Files = import_ray().get(reference)
    return files


@contextmanager
def session_folder() -> Iterator[str]:
    """Where a cluster keeps its sockets, which must be short, and its logs; nothing of it stays."""
    usual = tempfile.gettempdir()
    short = usual if len(usual) <= LONGEST_TEMPORARY else "/tmp"  # noqa: S108 - with a name of our own
    with tempfile.TemporaryDirectory(prefix="of3-ray-", dir=short, ignore_cleanup_errors=True) as folder:
        yield folder


def check_answers(where: str) -> None:
    """Raise OSError where nothing listens at HOST:PORT, or where Ray noted the last cluster of this machine.

    Ray itself would wait for ever.
    """
    noted = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / "ray_current_cluster"  # noqa: S108 - Ray's
    if where == "auto":
        where = os.environ.get("RAY_ADDRESS") or (noted.read_text().strip() if noted.exists() else "")
    host, _, port = where.rpartition(":")
    if host and port.isdecimal():
        with socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_WITHIN_S):
            pass


def needs_of(machines: Sequence[Mapping[str, float]], options: Options) -> list[dict[str, float]]:
    """Resources of the machines -> what each worker is to have.  Raises RunError where there is room for none.

    Without --workers one a GPU, with its share of the machine's cores; on machines without, one a core.
    """
    gpus = options.device == "cuda" and any(machine.get("GPU") for machine in machines)
    if options.workers:
        total, most = (sum(m.get(kind, 0.0) for m in machines) for kind in ("CPU", "GPU"))
        least = min((m["CPU"] for m in machines if m.get("CPU")), default=1.0)
        cpus = float(max(1, min(int(total / options.workers), int(least))))
        need = {"num_cpus": cpus, "num_gpus": 1.0} if gpus and most >= options.workers else {"num_cpus": cpus}
        return [need] * options.workers
    needs: list[dict[str, float]] = []
    for machine in machines:
        cpus, count = int(machine.get("CPU", 0)), int(machine.get("GPU", 0)) if gpus else 0
        if count:
            needs += [{"num_cpus": float(cpus // count), "num_gpus": 1.0}] * count
        elif cpus:
            workers = room_for(cpus, WORKER_BYTES, machine.get("memory"))
            needs += [{"num_cpus": float(cpus // workers)}] * workers
    if not needs:
        raise RunError("--executor ray: no machine of the cluster has a GPU or a CPU to give: see `ray status`")
    return needs


class RayWorker:
    """Contract: `of3.runtime.runs.shards.pool.Worker`."""

    def __init__(self, ray: Any, actor: Any):
        self._ray, self._actor = ray, actor
        self.ready: Future[WorkerReady] = self._future(actor.open.remote())
        self._counts, self._asked = Counts(), Future[Counts]()

    def run(self, task: Any) -> "Future[Any]":
        self._counts, self._asked = Counts(), self._future(self._actor.counts.remote())
        return self._future(self._actor.run.remote(task))

    def _future(self, reference: Any) -> "Future[Any]":
        """Ray's, with the errors a worker's has."""
        errors, future = self._ray.exceptions, Future[Any]()

        def settle(theirs: "Future[Any]") -> None:
            try:
                future.set_result(theirs.result())
            except errors.RayActorError as error:
                future.set_exception(WorkerLost(reason_of(str(error))))
            except errors.RayTaskError as error:
                future.set_exception(
                    error.cause if isinstance(error.cause, Exception) else WorkerLost(str(error))
                )
            except errors.RayError as error:
                future.set_exception(WorkerLost(reason_of(str(error))))

        reference.future().add_done_callback(settle)
        return future

    def counts(self) -> Counts:
        """As it was when last it answered: nobody waits for it."""
        if self._asked.done() and self._asked.exception() is None:
            self._counts, self._asked = self._asked.result(), self._future(self._actor.counts.remote())
        return self._counts

    def stop(self) -> None:
        self._actor.stop.remote()

    def close(self) -> None:
        self._ray.kill(self._actor)


def reason_of(message: str) -> str:
    """Ray's pages about a lost actor -> how it ended."""
    for line in message.splitlines():
        if line.strip().startswith("The actor died"):
            first = line.strip()
            exit_ = message.partition("Worker exit detail:")[2].strip().splitlines()
            return f"{first} {exit_[0]}" if exit_ else first
    return message.strip().splitlines()[0] if message.strip() else "the actor died"
