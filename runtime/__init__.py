"""Pictures -> logs, on the engines.  Imports no torch, tensorrt, onnxruntime or onnx.

What is public is named here and imported when it is first asked for.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

import of3.engines  # noqa: F401 - quiet from here on
from of3.runtime.settings import MAX_PIXELS, MAX_PIXELS_VARIABLE, Settings

if TYPE_CHECKING:
    from of3.runtime.pipeline import Pipeline as Pipeline
    from of3.runtime.runs.calibrate import calibrate as calibrate
    from of3.runtime.runs.records import Records as Records
    from of3.runtime.runs.records import open_records as open_records
    from of3.runtime.runs.watch import Watching as Watching
    from of3.runtime.runs.watch import watch as watch
    from of3.runtime.tables.frame import read_logs as read_logs
    from of3.runtime.tables.frame import to_frame as to_frame
    from of3.runtime.tracks.follower import Following as Following
    from of3.runtime.types import Analysis as Analysis
    from of3.runtime.types import Failure as Failure
    from of3.runtime.types import Record as Record

# OpenCV reads these once, when cv2 is first imported; every module of this package that imports cv2 comes
# after this line (a process that imported cv2 before keeps the limit it had).
os.environ.setdefault(MAX_PIXELS_VARIABLE, str(MAX_PIXELS))
# What cv2 would print of a damaged picture stands in errors.tsv, with the picture's name.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

# fmt: off
__all__ = [
    "Analysis", "Failure", "Following", "Pipeline", "Record", "Records", "Settings", "Watching", "calibrate",
    "open_records", "read_logs", "to_frame", "watch",
]
# fmt: on
HOMES = {
    "Analysis": "of3.runtime.types",
    "Failure": "of3.runtime.types",
    "Following": "of3.runtime.tracks.follower",
    "Pipeline": "of3.runtime.pipeline",
    "Record": "of3.runtime.types",
    "Records": "of3.runtime.runs.records",
    "Watching": "of3.runtime.runs.watch",
    "calibrate": "of3.runtime.runs.calibrate",
    "open_records": "of3.runtime.runs.records",
    "read_logs": "of3.runtime.tables.frame",
    "to_frame": "of3.runtime.tables.frame",
    "watch": "of3.runtime.runs.watch",
}


def __getattr__(name: str) -> Any:
    """A public name from its module (PEP 562), so that `--help` imports neither OpenCV nor an engine."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)
