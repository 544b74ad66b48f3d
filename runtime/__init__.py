"""Pictures -> logs, on the engines.  Imports no torch, tensorrt, onnxruntime or onnx.

What is public is named in `of3` itself; the same names are here, imported when they are first asked for.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

import of3.engines  # noqa: F401 - quiet from here on
from of3.runtime.settings import MAX_PIXELS, MAX_PIXELS_VARIABLE, Settings, SettingsError

if TYPE_CHECKING:
    from of3.engines.base import EngineFailed as EngineFailed
    from of3.engines.base import EngineUnavailable as EngineUnavailable
    from of3.engines.bundle import BundleError as BundleError
    from of3.engines.errors import Error as Error
    from of3.engines.workers import WorkerDied as WorkerDied
    from of3.runtime.pictures import Picture as Picture
    from of3.runtime.pictures import Pictures as Pictures
    from of3.runtime.pipeline import Pipeline as Pipeline
    from of3.runtime.runs.calibrate import calibrate as calibrate
    from of3.runtime.runs.records import Records as Records
    from of3.runtime.runs.records import open_records as open_records
    from of3.runtime.runs.watch import Watching as Watching
    from of3.runtime.runs.watch import watch as watch
    from of3.runtime.sources.container import VideoError as VideoError
    from of3.runtime.tables.frame import read_logs as read_logs
    from of3.runtime.tables.frame import to_frame as to_frame
    from of3.runtime.tracks.follower import FollowedFace as FollowedFace
    from of3.runtime.tracks.follower import Following as Following
    from of3.runtime.tracks.watched import WatchedFrame as WatchedFrame
    from of3.runtime.types import Analysis as Analysis
    from of3.runtime.types import Closed as Closed
    from of3.runtime.types import Failure as Failure
    from of3.runtime.types import Moment as Moment
    from of3.runtime.types import PictureError as PictureError
    from of3.runtime.types import Record as Record
    from of3.runtime.types import RunError as RunError
    from of3.runtime.vision.pose import Camera as Camera
    from of3.runtime.vision.pose import HeadPose as HeadPose
    from of3.runtime.vision.pose import head_pose as head_pose

# OpenCV reads these once, when cv2 is first imported; every module of this package that imports cv2 comes
# after this line (a process that imported cv2 before keeps the limit it had).
os.environ.setdefault(MAX_PIXELS_VARIABLE, str(MAX_PIXELS))
# What cv2 would print of a damaged picture stands in errors.tsv, with the picture's name.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

# fmt: off
__all__ = [
    "Analysis", "BundleError", "Camera", "Closed", "EngineFailed", "EngineUnavailable", "Error", "Failure",
    "FollowedFace", "Following", "HeadPose", "Moment", "Picture", "PictureError", "Pictures", "Pipeline",
    "Record", "Records", "RunError", "Settings", "SettingsError", "VideoError", "WatchedFrame", "Watching",
    "WorkerDied", "calibrate", "head_pose", "open_records", "read_logs", "to_frame", "watch",
]
# fmt: on
HOMES = {
    "Analysis": "of3.runtime.types",
    "BundleError": "of3.engines.bundle",
    "Camera": "of3.runtime.vision.pose",
    "Closed": "of3.runtime.types",
    "EngineFailed": "of3.engines.base",
    "EngineUnavailable": "of3.engines.base",
    "Error": "of3.engines.errors",
    "Failure": "of3.runtime.types",
    "FollowedFace": "of3.runtime.tracks.follower",
    "Following": "of3.runtime.tracks.follower",
    "HeadPose": "of3.runtime.vision.pose",
    "Moment": "of3.runtime.types",
    "Picture": "of3.runtime.pictures",
    "PictureError": "of3.runtime.types",
    "Pictures": "of3.runtime.pictures",
    "Pipeline": "of3.runtime.pipeline",
    "Record": "of3.runtime.types",
    "Records": "of3.runtime.runs.records",
    "RunError": "of3.runtime.types",
    "VideoError": "of3.runtime.sources.container",
    "WatchedFrame": "of3.runtime.tracks.watched",
    "Watching": "of3.runtime.runs.watch",
    "WorkerDied": "of3.engines.workers",
    "calibrate": "of3.runtime.runs.calibrate",
    "head_pose": "of3.runtime.vision.pose",
    "open_records": "of3.runtime.runs.records",
    "read_logs": "of3.runtime.tables.frame",
    "to_frame": "of3.runtime.tables.frame",
    "watch": "of3.runtime.runs.watch",
}


if not TYPE_CHECKING:  # to a type checker a name that is not there is an error

    def __getattr__(name: str) -> object:
        """A public name from its module (PEP 562), so that `--help` imports neither OpenCV nor an engine."""
        if name not in HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(HOMES[name]), name)
