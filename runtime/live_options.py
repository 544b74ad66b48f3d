"""Every flag of `of3 live` as one frozen record: its own, and with them those of a video that it shares."""

import math
from dataclasses import dataclass, fields, replace

from of3.runtime.options import Flag, flag
from of3.runtime.video_options import OWN as OF_A_VIDEO
from of3.runtime.video_options import SHARED, VIDEO_FLAGS, VIDEO_GROUPS, VideoOptions

STREAM = "OpenFace3"  # the name on LSL
# Of a video's flags those that make no sense live: what is taken of it, and what goes on with it.
NOT_LIVE = {
    *("follow_links", "override", "resume", "executor", "ray_address", "shard", "workers", "memory"),
    *("format", "every", "fps", "start", "end", "overlay"),
}


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """Every flag, defaults filled in.  Of device_index and url one is there.

    video: the shared ones, the others as they are for a video of which every frame is taken.
    camera_fps: 0 for the camera's own.  lsl: a stream's name, "" for none.
    """

    video: VideoOptions
    device_index: int | None = flag("source", "the N-th camera of this machine, from 0", "count", metavar="N")
    url: str | None = flag(
        "source", "a stream (rtsp, http, https, udp, rtmp ...), or a file, at its own pace", metavar="URL"
    )
    camera_size: tuple[int, int] | None = flag(
        "source", "of the camera's pictures (its own choice)", "size", metavar="WxH"
    )
    camera_fps: float = flag("source", "of the camera (its own choice)", "positive", 0.0, metavar="F")
    seconds: float = flag("source", "end after so long (never)", "positive", math.inf, metavar="S")
    patience: float = flag(
        "source", "try an address that is lost again for so long, in s (30)", "seconds", 30.0, metavar="S"
    )
    lsl: str = flag(
        "lsl",
        f"send each frame's best face by LSL, as a stream of this name ({STREAM})",
        default="",
        alone=STREAM,
        metavar="NAME",
    )


OWN: dict[str, Flag] = {
    option.name: option.metadata["flag"] for option in fields(LiveOptions) if "flag" in option.metadata
}
SHARED_WITH_A_VIDEO = tuple(name for name in (*SHARED, *OF_A_VIDEO) if name not in NOT_LIVE)
LIVE_FLAGS: dict[str, Flag] = {
    **{name: VIDEO_FLAGS[name] for name in SHARED_WITH_A_VIDEO},
    "max_pixels": replace(VIDEO_FLAGS["max_pixels"], text="larger frames are refused"),
    **OWN,
}
LIVE_COMMON = ("device_index", "url", "logs", "of3_root", "device", "faces", "seconds", "smooth")
LIVE_GROUPS = {
    "source": "camera or stream",
    **{group: title for group, title in VIDEO_GROUPS.items() if group not in ("frames", "scale")},
    "lsl": "Lab Streaming Layer",
}
