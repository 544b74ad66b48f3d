"""`of3 run` from files to logs: images a second, how busy the GPU is, and the share of what its engine does
alone.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from tools.gpu.busy import watched
from tools.gpu.row import Row

COMMAND = (sys.executable, "-c", "import sys; from of3.runtime.commands.cli import main; sys.exit(main())")
DIFFERENT = 64  # pictures; all others are the same under other names
SIDE_PX = 224
WITHIN_S = 3600
KINDS_OF_RUN: Mapping[str, Sequence[str]] = {
    "crops": (),
    "crops, no file a picture": ("--per_image", "off"),
    "crops, by processes": ("--executor", "local"),
    "detection and landmarks": ("--skip_detect", "off", "--landmarks", "on"),
}


def write_pictures(folder: Path, count: int, pixels: np.ndarray) -> None:
    """JPEGs of faces, (N,H,W,3) BGR, each under many names."""
    folder.mkdir(parents=True)
    for number in range(count):
        path = folder / f"{number:06d}.jpg"
        if number < DIFFERENT:
            resized = cv2.resize(pixels[number % len(pixels)], (SIDE_PX, SIDE_PX))
            path.write_bytes(cv2.imencode(".jpg", resized)[1].tobytes())
        else:
            os.link(folder / f"{number % DIFFERENT:06d}.jpg", path)


def run(what: str, flags: Sequence[str], pictures: Path, of3_root: Path, bundle: Path, logs: Path) -> Row:
    """One run of its own process, with nothing at work beside it."""
    paths = ("--aligned", pictures, "--of3_root", of3_root, "--bundle", bundle, "--logs", logs)
    command = [*COMMAND, "run", *map(str, paths), "--no_calib", "on", *flags]
    try:
        with watched() as busy:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WITHIN_S)
        found = json.loads((logs / "openface3" / "run.json").read_text())
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return Row(f"of3 run: {what}", note=f"not measured: {error}")
    if done.returncode != 0:
        return Row(f"of3 run: {what}", note=f"exit {done.returncode}: {done.stderr.strip()[-300:]}")
    engine = found["engines"]["multitask"]
    refused = [f"not {each['engine']}: {each['reason']}" for each in engine["refused"]]
    counted = f"{found['counts']['done']} done of {found['counts']['images']}"
    return Row(
        f"of3 run: {what}",
        engine["runs"],
        images_per_s=found["images_per_s"],
        gpu_busy=busy.share,
        note="; ".join(filter(None, [counted, *refused, found["processes"]["why"]])),
    )


def best_of(rows: Iterable[Row], engine: str) -> float | None:
    """The most images a second that an engine did of multitask on its own."""
    rates = [
        row.images_per_s
        for row in rows
        if row.runs_on == engine and row.what.startswith("multitask") and row.images_per_s
    ]
    return max(rates, default=None)
