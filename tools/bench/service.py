"""examples/service.py under load, beside the networks alone: images/s at 32 clients, and how long one waits.

    python -m tools.bench.service --of3_root ROOT --pictures FOLDER

Rounds are interleaved: the networks alone on ready batches, a run's pipeline on the same files, the service.
Server and clients share the machine's cores; processor time tells what HTTP costs where others keep it busy.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import of3
from of3.engines.host import cores
from tools.bench.contestants import Case, raw_engine
from tools.bench.timing import Step, time_s

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "service.py"
CLIENTS, ROUNDS = 32, 5
PATIENCE_S = 60.0


@contextmanager
def served(bundle: Path) -> Iterator[tuple[int, int]]:
    """The example at work; its port and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(EXAMPLE), str(bundle), "--port", str(port)])
    try:
        _wait_for(port)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _wait_for(port: int) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            HTTPConnection("127.0.0.1", port).request("GET", "/health")
            return
        except OSError:
            if time.monotonic() > end_s:
                raise
            time.sleep(0.1)


def load(port: int, pictures: Sequence[bytes], clients: int) -> list[float]:
    """Every picture once, by so many clients at a time, each on its connection; seconds of each request."""

    def client(number: int) -> list[float]:
        connection, taken = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S), []
        for picture in pictures[number::clients]:
            start = time.perf_counter()
            connection.request("POST", "/analyse", picture)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
            taken.append(time.perf_counter() - start)
        return taken

    with ThreadPoolExecutor(clients) as threads:
        return [each for some in threads.map(client, range(clients)) for each in some]


def cpu_s(process: int) -> float:
    """Processor time of a process so far: fields 14 and 15 of proc(5)'s stat."""
    after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def both_s(step: Step, process: int) -> tuple[float, float]:
    """Seconds of a step, and of a process's processor time meanwhile."""
    before_s = cpu_s(process)
    took_s = time_s(step)
    return took_s, cpu_s(process) - before_s


def main() -> None:
    made = argparse.ArgumentParser(prog="python -m tools.bench.service", description=__doc__)
    made.add_argument("--of3_root", type=Path, required=True, help="OpenFace folder with a bundle")
    made.add_argument("--pictures", type=Path, required=True, help="a folder of face crops")
    given = made.parse_args()
    case = Case(given.pictures.name, given.of3_root, given.pictures.parent)
    pictures = [Path(path).read_bytes() for path in case.paths]
    taken_s: list[float] = []
    with served(case.bundle.folder) as (port, server), of3.Pipeline(case.bundle, of3.Settings()) as pipeline:
        steps: dict[str, tuple[Step, int]] = {
            "networks alone": (raw_engine(case, parallel_runs=cores()), os.getpid()),
            "pipeline": (lambda: list(pipeline.run(case.paths)), os.getpid()),
            "service": (lambda: taken_s.extend(load(port, pictures, CLIENTS)), server),
        }
        for step, _ in steps.values():
            step()
        taken_s.clear()
        rounds = [{name: both_s(*step) for name, step in steps.items()} for _ in range(ROUNDS)]
    for name in steps:
        rate = statistics.median(len(pictures) / each[name][0] for each in rounds)
        ratio = statistics.median(each["networks alone"][0] / each[name][0] for each in rounds)
        cpu_ms = statistics.median(each[name][1] for each in rounds) / len(pictures) * 1e3
        told = f"{rate:7.1f} images/s, {ratio:.2f} of the networks alone; {cpu_ms:.1f} ms of a core each"
        print(f"{name:<15} {told}")
    cuts = statistics.quantiles(taken_s, n=100)
    p50_ms, p99_ms = cuts[49] * 1e3, cuts[98] * 1e3
    print(f"{CLIENTS} clients, {len(taken_s)} requests: p50 {p50_ms:.0f} ms, p99 {p99_ms:.0f} ms")


if __name__ == "__main__":
    main()
