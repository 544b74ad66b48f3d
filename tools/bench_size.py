"""Bytes that a package and all it requires take as installed: bench_size.py NAME, in any Python.

Prints JSON: [bytes, required packages that are not installed].
"""

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path


def required(found: Distribution, extra: str) -> Iterator[str]:
    """What a distribution requires on this platform; conditions on versions are taken as met."""
    for line in found.requires or []:
        need, _, condition = line.partition(";")
        named = re.search(r"""extra\s*==\s*['"]([\w-]+)""", condition)
        is_foreign = re.search(r"""==\s*['"](win32|Windows|darwin|Darwin|emscripten)""", condition)
        if not is_foreign and (named is None or named[1] == extra):
            yield need.strip()


def closure(root: str) -> tuple[dict[str, Distribution], set[str]]:
    """`name[extra]` -> installed distributions by name, and names that are not installed."""
    installed: dict[str, Distribution] = {}
    missing: set[str] = set()
    queue = [root]
    while queue:
        name, extra = re.match(r"([\w.-]+)(?:\[([\w-]+))?", queue.pop()).groups(default="")
        name = re.sub(r"[-_.]+", "-", name).lower()
        if name in installed or name in missing:
            continue
        try:
            installed[name] = distribution(name)
        except PackageNotFoundError:
            missing.add(name)
            continue
        queue += required(installed[name], extra)
    return installed, missing


def size_of(found: Distribution) -> int:
    paths = {Path(str(file.locate())) for file in found.files or []}
    return sum(path.stat().st_size for path in paths if path.is_file())


if __name__ == "__main__":
    installed, missing = closure(sys.argv[1])
    print(json.dumps([sum(map(size_of, installed.values())), sorted(missing)]))
