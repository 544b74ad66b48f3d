"""Which way up frames are shown."""

import gc
from fractions import Fraction

import cv2
import numpy as np
import pytest

from of3.runtime.sources.display import orientation_by, orientation_of
from of3.runtime.sources.video import Video

pytestmark = pytest.mark.usefixtures("av")


@pytest.mark.parametrize(
    ("matrix", "want"),
    [
        ((65536, 0, 0, 65536), 1),
        ((50203, 42126, -42126, 50203), 1),  # 40 degrees clockwise
        ((42126, 50203, -50203, 42126), 6),
        ((-98304, 0, 0, 65536), 2),  # pixels half as wide again
        ((0, 0, 0, 0), 1),
    ],
)
def test_a_matrix_goes_to_the_next_quarter_whatever_it_stretches(matrix, want):
    assert orientation_by(*matrix) == want


def test_a_frame_is_not_kept_by_having_been_looked_at(av, write, turn_in_header, tmp_path):
    path = write(tmp_path / "a.mp4", frames=10)
    turn_in_header(path, 90, is_mirrored=True)
    gc.collect()
    gc.disable()
    try:
        with av.open(path) as container:
            assert {orientation_of(picture) for picture in container.decode(video=0)} == {7}
        kept = [
            one for one in gc.get_objects() if type(one) is av.VideoFrame
        ]  # `isinstance` asks objects of others
        assert len(kept) < 3  # of ten; PyAV 17 keeps the decoder's own, which is empty
    finally:
        gc.enable()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_jpegs_with_exif_data_in_a_video_are_upright(orientation, av, drawn, with_orientation, tmp_path):
    turns = {1: 0, 6: 1, 3: 2, 8: 3}[orientation]
    lying = np.ascontiguousarray(np.rot90(drawn(5), turns))
    jpeg = with_orientation(cv2.imencode(".jpg", lying)[1].tobytes(), orientation)
    with av.open(str(tmp_path / "a.mov"), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width = lying.shape[:2]
        stream.pix_fmt = "yuvj420p"
        container.start_encoding()
        for number in range(3):
            packet = av.Packet(jpeg)
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts = packet.dts = number
            packet.is_keyframe = True
            container.mux(packet)
    with Video(str(tmp_path / "a.mov")) as video:
        pixels = next(video.frames()).pixels()
    assert pixels.shape == (96, 160, 3)
    assert np.abs(pixels.astype(int) - drawn(5)).mean() < 8
