"""Bytes that a package and all it requires take as installed, in any Python: python -m tools.bench.size NAME.

Prints JSON: [bytes, required packages that are not installed].  Needs `packaging` there.
"""

import json
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def closure(root: str) -> tuple[dict[str, Distribution], set[str]]:
    """`name[extra]` -> installed distributions by name, and names that are not installed."""
    installed: dict[str, Distribution] = {}
    missing: set[str] = set()
    queue = [Requirement(root)]
    while queue:
        need = queue.pop()
        name = canonicalize_name(need.name)
        if name in installed or name in missing:
            continue
        try:
            installed[name] = distribution(name)
        except PackageNotFoundError:
            missing.add(name)
            continue
        for more in map(Requirement, installed[name].requires or []):
            extras = need.extras or {""}
            if more.marker is None or any(more.marker.evaluate({"extra": extra}) for extra in extras):
                queue.append(more)
    return installed, missing


def size_bytes(found: Distribution) -> int:
    paths = {Path(str(file.locate())) for file in found.files or []}
    return sum(path.stat().st_size for path in paths if path.is_file())


if __name__ == "__main__":
    installed, missing = closure(sys.argv[1])
    print(json.dumps([sum(map(size_bytes, installed.values())), sorted(missing)]))
