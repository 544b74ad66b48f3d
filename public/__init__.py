"""OpenFace 3.0 without PyTorch.  What is named here is public, and stays; every other module is ours to change.

    with of3.Pipeline.open("weights/of3_bundle", of3.Settings(detect=True)) as pipeline:
        for result in pipeline.run(["a.jpg", pixels]):  # one Record or Failure a picture, in order

Pictures:  Pipeline, Settings -> Record, Analysis (every face), Failure; calibrate; Picture, Pictures: the types
Videos:    watch, Watching, Following, Camera -> WatchedFrame, FollowedFace, HeadPose, Moment
Heads:     head_pose: 98 landmarks, Camera -> HeadPose
Runs:      open_records -> Records; read_logs, to_frame -> data frames
Errors:    Error, the root of all.  RunError: what was asked for cannot be done; of them SettingsError, which is
           a ValueError too, and Closed.  BundleError, EngineUnavailable: no pipeline can be opened.
           EngineFailed, WorkerDied: it cannot go on.  PictureError: of `head_pose`; of these VideoError: of
           `watch`.  What a picture itself is to blame for is its Failure, no error.

Threads may share a pipeline, in turns (`Pipeline`); a fork opens its own.  Lines go to the logger "of3", and
nowhere unless a program asks for them, as `logging.basicConfig()` does.  Names are imported when asked for.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from of3.runtime import (
        Analysis,
        BundleError,
        Camera,
        Closed,
        EngineFailed,
        EngineUnavailable,
        Error,
        Failure,
        FollowedFace,
        Following,
        HeadPose,
        Moment,
        Picture,
        PictureError,
        Pictures,
        Pipeline,
        Record,
        Records,
        RunError,
        Settings,
        SettingsError,
        VideoError,
        WatchedFrame,
        Watching,
        WorkerDied,
        calibrate,
        head_pose,
        open_records,
        read_logs,
        to_frame,
        watch,
    )

    __version__: str

# fmt: off
__all__ = [
    "Analysis", "BundleError", "Camera", "Closed", "EngineFailed", "EngineUnavailable", "Error", "Failure",
    "FollowedFace", "Following", "HeadPose", "Moment", "Picture", "PictureError", "Pictures", "Pipeline",
    "Record", "Records", "RunError", "Settings", "SettingsError", "VideoError", "WatchedFrame", "Watching",
    "WorkerDied", "__version__", "calibrate", "head_pose", "open_records", "read_logs", "to_frame", "watch",
]
# fmt: on

logging.getLogger("of3").addHandler(logging.NullHandler())

if not TYPE_CHECKING:  # to a type checker a name that is not there is an error

    def __getattr__(name: str) -> object:
        """A public name (PEP 562); heavy libraries come with the first that needs them."""
        if name == "__version__":
            from importlib import metadata

            return metadata.version("of3")
        if name in __all__:
            return getattr(import_module("of3.runtime"), name)
        raise AttributeError(f"module 'of3' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
