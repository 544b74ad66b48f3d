"""Pictures in shards, each read and checked without the others."""

import os
import subprocess
import sys

import pytest

from of3.runtime.logs.items import Item, Stamp
from of3.runtime.runs.shards import manifest
from of3.runtime.types import RunError

NAMES = [
    "a.jpg",
    "new\nline.jpg",
    "tab\there.jpg",
    "back\\slash\\n.jpg",
    "\udcff.jpg",
    "sub/é.jpg",
    "car\rriage.jpg",
]
ITEMS = [Item(f"in/{name}", Stamp(number, 10**18 + number), number % 3) for number, name in enumerate(NAMES)]


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_every_name_comes_back_from_its_shard(tmp_path, size):
    made = manifest.write_manifest(tmp_path, "in", iter(ITEMS), size)
    assert (made.pictures, made.shards) == (len(ITEMS), -(-len(ITEMS) // size))
    shards = [manifest.read_shard(tmp_path, "in", shard) for shard in range(made.shards)]
    assert [len(shard) for shard in shards[:-1]] == [size] * (made.shards - 1)
    assert [item for shard in shards for item in shard] == ITEMS
    assert manifest.index_sha256(tmp_path) == made.sha256


def test_paths_are_relative_with_size_time_and_shard(tmp_path):
    manifest.write_manifest(tmp_path, "in", ITEMS[:3], 2)
    assert (tmp_path / manifest.FILE).read_text().splitlines()[:4] == [
        "shard\tsize\tmtime_ns\tplace\tpath",
        "0\t0\t1000000000000000000\t0\ta.jpg",
        "0\t1\t1000000000000000001\t1\tnew\\nline.jpg",
        "1\t2\t1000000000000000002\t2\ttab\there.jpg",
    ]


def test_any_other_picture_is_another_manifest(tmp_path):
    digests = set()
    others = [ITEMS[:-1], [*ITEMS[:-1], Item(ITEMS[-1].path, Stamp(6, 1), 0)], ITEMS, ITEMS[1:]]
    for items in others:
        digests.add(manifest.write_manifest(tmp_path, "in", items, 3).sha256)
    assert len(digests) == len(others)


def test_a_shard_that_was_changed_is_refused_and_the_others_are_not(tmp_path):
    manifest.write_manifest(tmp_path, "in", ITEMS, 2)
    path = tmp_path / manifest.FILE
    path.write_bytes(path.read_bytes().replace(b"a.jpg", b"b.jpg"))
    with pytest.raises(RunError, match="shard 0 was changed: make it anew with `of3 manifest --override`"):
        manifest.read_shard(tmp_path, "in", 0)
    assert manifest.read_shard(tmp_path, "in", 1) == ITEMS[2:4]


MEASURE = """
import resource, sys
from of3.runtime.commands.cli import main
assert main(["manifest", "--aligned", sys.argv[1], "--logs", sys.argv[2]]) == 0
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@pytest.mark.long
def test_memory_does_not_grow_with_the_pictures(tmp_path):
    """A flat folder: hard links to one empty file, made in no order."""
    peaks = []
    for count in (1000, 200_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        for number in range(count):
            if number % 30_000 == 0:
                first = folder / f"{number}.jpg"
                first.touch()
            else:
                os.link(first, folder / f"face_of_somebody_{number * 7919 % count:07d}.jpg")
        command = [sys.executable, "-c", MEASURE, str(folder), str(tmp_path / f"logs{count}")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.startswith(f"{count} pictures in ")
        peaks.append(float(done.stdout.split()[-1]))
    assert peaks[1] - peaks[0] < 60, peaks  # MB; 200 000 paths alone would be 30 MB and more in a list
