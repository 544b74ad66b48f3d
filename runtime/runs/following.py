"""How the faces of a video were asked to be followed, by what its rows were made with."""

from of3.runtime.logs.made import Run
from of3.runtime.sources.video import VideoInfo
from of3.runtime.tracks.follower import Following
from of3.runtime.vision.pose import Camera


def following_of(run: Run, info: VideoInfo) -> Following:
    """run: of `of3 video`, whose identity has its flags."""
    asked = run.identity["video"]
    usual = Camera.of(info.width, info.height)
    camera = Camera(
        asked["fx"] or usual.fx_px,
        asked["fy"] or usual.fy_px,
        asked["cx"] or usual.cx_px,
        asked["cy"] or usual.cy_px,
    )
    return Following(asked["track_gap"], asked["smooth"], camera if asked["head_pose"] else None)
