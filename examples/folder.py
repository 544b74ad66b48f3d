"""Every picture of a folder -> a line: `python examples/folder.py BUNDLE FOLDER [--detect]`.

Without --detect each picture is taken for a face, as a crop is.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import of3

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


def lines(bundle: Path, paths: Sequence[Path], settings: of3.Settings) -> Iterator[str]:
    with of3.Pipeline.open(bundle, settings) as pipeline:
        for result in pipeline.run(paths):  # in order, several at work at once
            if isinstance(result, of3.Failure):
                yield f"{result.source}\t{result.stage}: {result.reason}"
                continue
            likely, yaw_rad = result.probabilities[result.emotion], result.gaze_rad["yaw"]
            said = f"{result.emotion} {likely:.2f}\tyaw {yaw_rad:+.2f} rad\tAU12 {result.aus[12]:.2f}"
            yield f"{result.source}\t{said}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--detect", action="store_true")
    given = parser.parse_args()
    paths = sorted(path for path in given.folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        sys.exit(f"{given.folder}: no picture in it, want any of {' '.join(sorted(SUFFIXES))}")
    try:
        for line in lines(given.bundle, paths, of3.Settings(detect=given.detect)):
            print(line, flush=True)
    except BrokenPipeError:  # `| head`: who reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (of3.Error, OSError) as error:
        sys.exit(str(error))
