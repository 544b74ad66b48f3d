"""bundle.json with other values, seeded, through a whole run: refused by name, or a row for each picture."""

import json
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from of3.engines.base import EngineFailed, EngineUnavailable
from of3.engines.bundle import BundleError
from of3.engines.manifest import MANIFEST
from of3.runtime.pipeline import Pipeline
from of3.runtime.runs.calibrate import calibration_of
from of3.runtime.settings import Settings
from of3.runtime.types import Failure

HANGS_AFTER_S = 60
SETTINGS = Settings(landmarks=True, workers=1, cores=1)
STRANGE: Sequence[Any] = (
    None, True, False, 0, 1, -1, 2, 3, 8, 45, 224, 1.0, 0.5, -0.0, 1e-300, 1e30, 3e38, 10**300,
    float("nan"), float("inf"), "", " ", "x", "batch", "fp32", "bf16", "tf32", "BGR", "yaw", "\ud800", "a\nb",
    "../a", "0" * 64, [], {}, [1], ["x"], [[]],
)  # fmt: skip
Container = dict[str, Any] | list[Any]
Change = Callable[[Any, Any, random.Random], None]  # of a container, at a key of it


def replace(container: Any, key: Any, chance: random.Random) -> None:
    container[key] = deepcopy(chance.choice(STRANGE))


def copy_another(container: Any, key: Any, chance: random.Random) -> None:
    """The value of a neighbour: duplicates, and what is right elsewhere."""
    others = list(container.values()) if isinstance(container, dict) else container
    container[key] = deepcopy(chance.choice(others))


def drop(container: Any, key: Any, _: random.Random) -> None:
    del container[key]


def add(container: Any, key: Any, chance: random.Random) -> None:
    if isinstance(container, dict):
        container[f"{key}{chance.choice(['', 'x', '2'])}"] = container.pop(key)
    else:
        container.insert(chance.randrange(len(container) + 1), deepcopy(chance.choice([*STRANGE, *container])))


def shuffle(container: Any, key: Any, chance: random.Random) -> None:
    if isinstance(container[key], list):
        chance.shuffle(container[key])


def scale(container: Any, key: Any, chance: random.Random) -> None:
    if isinstance(container[key], int | float):
        container[key] *= chance.choice([-1, 0.5, 2, 10, 1e6, 1e12])
    elif isinstance(container[key], list):
        container[key] *= chance.choice([0, 2, 3, 1000])


CHANGES: Sequence[Change] = (replace, replace, copy_another, drop, add, shuffle, scale)
# What nothing but the reports reads, and it is a half of the file.
UNREAD = ("drift", "verification", "made_with", "gaze_order", "weights", "source")


def places(value: Any) -> Iterator[tuple[Container, Any]]:
    """Every container and key of it, below a value."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        if key not in UNREAD:
            yield value, key
            yield from places(inner)


def bundles(root: Path, count: int, chance: random.Random) -> Iterator[str]:
    """`count` mutated bundles; yields what went wrong."""
    source, tally, start_s = root / "weights" / "of3_bundle", Counter[str](), time.monotonic()
    whole = json.loads((source / MANIFEST).read_text("utf-8"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for path in source.iterdir():
            if path.is_file() and path.name != MANIFEST:
                shutil.copy(path, folder)
        for number in range(count):
            document = deepcopy(whole)
            for _ in range(chance.choice([1, 1, 1, 2, 3])):
                container, key = chance.choice(list(places(document)))
                chance.choice(CHANGES)(container, key, chance)
            (folder / MANIFEST).write_text(json.dumps(document), "utf-8")
            try:
                with ending_after(HANGS_AFTER_S):
                    tally.update(outcome(folder, root))
            except Exception as error:  # noqa: BLE001  what this looks for
                kept = Path(tempfile.mkdtemp(prefix="of3-fuzz-")) / MANIFEST
                kept.write_text(json.dumps(document), "utf-8")
                yield f"bundle {number}: {type(error).__name__}: {error}; kept in {kept}"
    print(f"bundles: {count} in {time.monotonic() - start_s:.0f} s: {dict(tally)}")


def outcome(folder: Path, root: Path) -> Counter[str]:
    """A run of three pictures, calibrated.  Raises AssertionError, and whatever no run catches."""
    pictures = sorted((root / "images").glob("*.png"))[:3]
    try:
        with Pipeline.open(folder, SETTINGS) as pipeline:
            found = calibration_of(pipeline.bundle, root / "images" / "au", None, True, pipeline.au_scores)
            results = list(pipeline.run(pictures, found.au_to_index))
    except (BundleError, EngineUnavailable) as error:
        return Counter({"refused" if str(error).isprintable() else "refused in several lines": 1})
    except EngineFailed:
        return Counter({"engine failed": 1})
    assert len(results) == len(pictures), f"{len(results)} rows for {len(pictures)} pictures"
    return Counter("with failed rows" if isinstance(result, Failure) else "with rows" for result in results[:1])


@contextmanager
def ending_after(limit_s: int) -> Iterator[None]:
    """TimeoutError in what takes longer."""

    def end(*_: object) -> None:
        raise TimeoutError(f"hangs for {limit_s} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(limit_s)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
