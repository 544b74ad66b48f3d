"""What is no damage: how long a file says that its video is, of files of many kinds."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from of3.runtime.sources.video import Video


@pytest.fixture
def with_sound(av, drawn, tmp_path):
    """Writes pictures at 30 frames/s, and a tone; gives the path as text."""

    def written(name, frames, sound_s, order=("video", "audio"), start_s=0, is_tagged=True):
        """order: of the streams.  is_tagged: the file says of each stream when it ends."""
        path = tmp_path / name
        codec = {".webm": ("libvpx", "libopus")}.get(path.suffix, ("libx264", "mp2"))
        with av.open(str(path), "w") as container:
            streams = {}
            for kind in order:
                if kind == "video":
                    video = streams[kind] = container.add_stream(codec[0], rate=30, options={"g": "10"})
                    video.height, video.width = drawn(0).shape[:2]
                    video.pix_fmt = "yuv420p"
                else:
                    streams[kind] = container.add_stream(codec[1], rate=48000, layout="mono")
            container.start_encoding()
            for number in range(frames):
                picture = av.VideoFrame.from_ndarray(grainy(drawn(number)), format="bgr24")
                picture.pts, picture.time_base = number + 30 * start_s, Fraction(1, 30)
                container.mux(streams["video"].encode(picture))
                sound(
                    av,
                    container,
                    streams["audio"],
                    number * 1600,
                    min(1600 * (number + 1), sound_s * 48000),
                    start_s,
                )
            sound(av, container, streams["audio"], frames * 1600, sound_s * 48000, start_s)
            for stream in streams.values():
                container.mux(stream.encode())
        if not is_tagged:
            content = path.read_bytes()
            assert b"DURATION" in content
            path.write_bytes(content.replace(b"DURATION", b"UNHEEDED"))
        return str(path)

    return written


def sound(av, container, stream, first, end, start_s):
    """Silence of these samples."""
    for at in range(first, end, 1600):
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.int16), format="s16", layout="mono")
        samples.sample_rate, samples.pts, samples.time_base = 48000, at + 48000 * start_s, Fraction(1, 48000)
        container.mux(stream.encode(samples))


def grainy(pixels):
    """With some kilobytes in each."""
    pixels[:24] = np.random.default_rng(0).integers(0, 256, (24, 160, 3), np.uint8)
    return pixels


def passed(path):
    """How many frames there are, the claim, and the notes' reasons."""
    with Video(path) as video:
        frames = sum(1 for _ in video.frames())
        return frames, video.info.claimed_s, [note.reason for note in video.notes]


@pytest.mark.parametrize("is_tagged", [True, False])
@pytest.mark.parametrize("order", [("video", "audio"), ("audio", "video")])
@pytest.mark.parametrize("name", ["a.mkv", "a.webm"])
def test_a_picture_that_ends_before_the_sound_is_whole(name, order, is_tagged, with_sound):
    path = with_sound(name, 60, 5, order, is_tagged=is_tagged)
    assert passed(path) == (60, pytest.approx(2.0 if is_tagged else 5.0, abs=0.05), [])


@pytest.mark.parametrize("is_tagged", [True, False])
def test_time_that_does_not_begin_at_zero_is_not_counted(is_tagged, with_sound, write, tmp_path):
    path = with_sound("a.mkv", 60, 2, start_s=5, is_tagged=is_tagged)
    assert passed(path) == (60, pytest.approx(2.0, abs=0.05), [])
    alone = Path(write(tmp_path / "b.mkv", times_ms=[5000 + 40 * number for number in range(60)]))
    if not is_tagged:
        alone.write_bytes(alone.read_bytes().replace(b"DURATION", b"UNHEEDED"))
    assert passed(str(alone)) == (60, pytest.approx(2.4, abs=0.05), [])


@pytest.mark.parametrize("start_s", [0, 5])
@pytest.mark.parametrize("is_tagged", [True, False])
def test_a_truncated_file_with_sound_is_told(is_tagged, start_s, with_sound):
    path = Path(with_sound("a.mkv", 120, 4, start_s=start_s, is_tagged=is_tagged))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    frames, claimed_s, (reason,) = passed(str(path))
    assert 50 < frames < 90
    assert claimed_s == pytest.approx(4.0, abs=0.05)
    assert reason == f"ends early: its header says {claimed_s:.3f} s"


def begin_at(path, frame):
    """Write into an MP4 of 30 frames/s that what comes before a frame is not to be shown."""
    content = bytearray(Path(path).read_bytes())
    at = content.index(b"elst") + 12  # its size, flags and how many entries it has
    length, first = (int.from_bytes(content[at + skip : at + skip + 4]) for skip in (0, 4))
    ticks = int.from_bytes(content[(head := content.index(b"mdhd") + 16) : head + 4])
    content[at : at + 4] = (length - frame * 1000 // 30).to_bytes(4)
    content[at + 4 : at + 8] = (first + frame * ticks // 30).to_bytes(4)
    Path(path).write_bytes(content)


@pytest.mark.parametrize("frame", [5, 20, 35])  # in the first group, at the second's beginning, in the second
def test_what_an_edit_list_hides_is_not_missed(frame, write, number_in, tmp_path):
    path = write(tmp_path / "a.mp4", frames=60, keys=20)
    begin_at(path, frame)
    with Video(path) as video:
        found = [(number_in(one.pixels()), one.time_s) for one in video.frames()]
        assert video.info.claimed_frames == len(found)
        assert video.notes == ()
    assert [number for number, _ in found] == list(range(frame, 60))
    assert found[0][1] == 0


def test_a_truncated_file_with_an_edit_list_is_told(write, drawn, tmp_path):
    path = write(tmp_path / "a.mp4", 120, pixels=lambda number: grainy(drawn(number)), movflags="faststart")
    begin_at(path, 25)
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: len(content) * 6 // 10])
    _, claimed_s, reasons = passed(path)
    assert reasons[-1] == f"ends early: its header says {claimed_s:.3f} s"


@pytest.mark.parametrize("frame_s", [2, 10])
@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_a_time_lapse_is_whole(name, frame_s, write, tmp_path):
    path = write(tmp_path / name, frames=10, rate=Fraction(1, frame_s), between=0)
    assert passed(path) == (10, pytest.approx(10 * frame_s), [])
