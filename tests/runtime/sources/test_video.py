"""Which frame comes when, upright, and what damage costs."""

import errno
import io
import os
import random
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from of3.runtime.sources.container import VideoError
from of3.runtime.sources.frames import selected
from of3.runtime.sources.video import Video
from of3.runtime.types import InputLost

pytestmark = pytest.mark.usefixtures("av")
UNEVEN_MS = [0, 40, 50, 130, 135, 500, 533, 900, 1000, 1001, 1500, 1780]


@pytest.fixture
def seen(number_in):
    """Of a file: the numbers drawn on its frames, their times, where those come from, and the notes."""

    def watched(path):
        with Video(path) as video:
            frames = [(number_in(frame.pixels()), frame) for frame in video.frames()]
            assert [frame.number for _, frame in frames] == list(range(len(frames)))
            times_s = [frame.time_s for _, frame in frames]
            assert all(later > earlier for earlier, later in pairwise(times_s))
            return (
                [drawn for drawn, _ in frames],
                times_s,
                {frame.time_source for _, frame in frames},
                video.notes,
            )

    return watched


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.MOV", "mpeg4"),
        ("a.mkv", "libx264"),
        ("a.m4v", "mpeg4"),
        ("a.mpg", "mpeg2video"),
        ("a.webm", "libvpx-vp9"),
        ("a.wmv", "wmv2"),
        ("a.flv", "libx264"),
    ],
)
def test_every_frame_comes_at_its_time_in_every_container(name, codec, write, seen, tmp_path):
    path = write(tmp_path / name, codec=codec, between=0 if codec in {"wmv2", "libvpx-vp9"} else 2, strict="-2")
    drawn, times_s, sources, notes = seen(path)
    assert drawn == list(range(60))
    np.testing.assert_allclose(times_s, np.arange(60) / 30, atol=0.0006)  # of Matroska's milliseconds
    assert sources == {"pts"}
    assert notes == ()


@pytest.mark.parametrize("between", [1, 3, 8, 16])
def test_an_avi_that_stamps_as_it_decodes_has_its_stamps_sorted(between, av, write, seen, tmp_path):
    path = write(tmp_path / "a.avi", between=between, keys=60)
    with av.open(path) as container:
        stamps = [frame.pts for frame in container.decode(video=0)]
    assert stamps != sorted(stamps)
    drawn, times_s, sources, notes = seen(path)
    assert drawn == list(range(60))
    np.testing.assert_allclose(times_s, np.arange(1, 61) / 30)  # FFmpeg's, of AVI: the first frame's end
    assert sources == {"pts", "sorted"}
    assert notes == ()


def test_an_avi_with_empty_places_keeps_its_length(write, seen, tmp_path):
    chance = random.Random(0)
    ticks = np.cumsum([chance.choice([1, 2, 2, 3]) for _ in range(200)])
    path = write(tmp_path / "a.avi", frames=200, times_ms=(ticks * 20).tolist())
    with Video(path) as video:
        claimed_s, claimed_frames = video.info.claimed_s, video.info.claimed_frames
    drawn, times_s, sources, (note,) = seen(path)
    assert drawn == list(range(200))
    assert claimed_frames is not None
    assert claimed_frames > 300
    assert times_s[-1] == pytest.approx(claimed_s, abs=0.1)
    assert {"pts", "sorted"} <= sources
    assert note.reason == f"its header says {claimed_frames} frames: got 200"


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_variable_rate_is_what_the_stamps_say(name, write, seen, tmp_path):
    drawn, times_s, sources, _ = seen(write(tmp_path / name, frames=len(UNEVEN_MS), times_ms=UNEVEN_MS))
    assert drawn == list(range(len(UNEVEN_MS)))
    np.testing.assert_allclose(times_s, np.array(UNEVEN_MS) / 1000, atol=1e-9)
    assert sources == {"pts"}


def test_a_stream_that_does_not_begin_at_zero_has_its_first_frame_there(write, seen, tmp_path):
    _, times_s, _, _ = seen(write(tmp_path / "a.mkv", frames=5, times_ms=[7000, 7040, 7050, 7900, 8000]))
    np.testing.assert_allclose(times_s, [0, 0.04, 0.05, 0.9, 1], atol=1e-9)


def test_a_stream_without_stamps_goes_by_the_rate(av, write, seen, tmp_path):
    with av.open(write(tmp_path / "a.mp4", codec="mpeg4")) as container:
        stream = container.streams.video[0]
        raw = stream.codec_context.extradata + b"".join(bytes(packet) for packet in container.demux(stream))
    (tmp_path / "raw.m4v").write_bytes(raw)
    drawn, times_s, sources, _ = seen(str(tmp_path / "raw.m4v"))
    assert drawn == list(range(60))
    assert sources == {"rate"}
    np.testing.assert_allclose(times_s, np.arange(60) / 25)


@pytest.mark.parametrize("is_mirrored", [False, True])
@pytest.mark.parametrize("clockwise_deg", [0, 90, 180, 270])
def test_a_turned_or_mirrored_video_is_upright(
    clockwise_deg, is_mirrored, write, drawn, turn_in_header, tmp_path
):
    def lying(number):
        return np.rot90(drawn(number), clockwise_deg // 90)[:, :: -1 if is_mirrored else 1]

    path = write(tmp_path / "a.mp4", frames=3, pixels=lambda number: np.ascontiguousarray(lying(number)))
    turn_in_header(path, clockwise_deg, is_mirrored)
    with Video(path) as video:
        assert (video.info.width, video.info.height) == (160, 96)
        assert (video.info.rotation_deg, video.info.is_mirrored) == (clockwise_deg, is_mirrored)
        frames = [frame.pixels() for frame in video.frames()]
    for number, pixels in enumerate(frames):
        assert pixels.flags.c_contiguous
        assert np.abs(pixels.astype(int) - drawn(number)).mean() < 8


@pytest.mark.parametrize(
    ("codec", "pix_fmt"), [("libx264", "yuv420p10le"), ("libx265", "yuv420p10le"), ("ffv1", "yuv444p")]
)
def test_deep_and_full_colour_become_eight_bits_of_bgr(codec, pix_fmt, write, drawn, tmp_path):
    try:
        path = write(tmp_path / "a.mkv", frames=3, codec=codec, pix_fmt=pix_fmt, between=0)
    except ValueError:
        pytest.skip(f"this FFmpeg cannot write {codec} {pix_fmt}")
    with Video(path) as video:
        for frame in video.frames():
            pixels = frame.pixels()
            assert pixels.dtype == np.uint8
            assert np.abs(pixels.astype(int) - drawn(frame.number)).mean() < 8


@pytest.mark.parametrize(("matrix", "number"), [("ITU709", 1), ("ITU601", 5)])
def test_colours_are_made_with_the_matrix_that_the_stream_names(matrix, number, av, tmp_path):
    colours = np.array([[40, 60, 200], [200, 120, 30], [60, 180, 60], [120, 160, 220]], np.uint8)
    want = np.repeat(np.repeat(colours[None], 64, axis=0), 64, axis=1)
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "5"})
        stream.height, stream.width = want.shape[:2]
        stream.codec_context.colorspace = number
        whole = av.VideoFrame.from_ndarray(want, format="bgr24")
        frame = whole.reformat(format="yuv420p", dst_colorspace=matrix)
        frame.pts, frame.colorspace = 0, number
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with Video(str(tmp_path / "a.mp4")) as video:
        (found,) = (frame.pixels() for frame in video.frames())
    assert np.abs(found.astype(int) - want).max() <= 6  # with the other matrix 20


def test_a_damaged_middle_costs_its_frames_and_is_told_by_its_time(write, seen, tmp_path):
    whole = write(tmp_path / "a.mp4", frames=120, pixels=noisy)
    content = bytearray(Path(whole).read_bytes())
    middle = content.index(b"mdat") + (len(content) - content.index(b"mdat")) // 2
    content[middle : middle + 2000] = random.Random(0).randbytes(2000)
    (tmp_path / "b.mp4").write_bytes(content)
    drawn, times_s, _, (note,) = seen(str(tmp_path / "b.mp4"))
    np.testing.assert_allclose(times_s, np.array(drawn) / 30, atol=1e-6)  # what is left is itself, at its time
    missing = sorted(set(range(120)) - set(drawn))
    assert 0 < len(missing) <= 20  # no further than the next key frame
    assert note.lost == pytest.approx(len(missing), abs=1)
    assert note.reason == f"damaged: {note.lost} frames lost"
    assert (note.start_s, note.end_s) == pytest.approx((missing[0] / 30, missing[-1] / 30), abs=0.2)


@pytest.mark.parametrize("codec", ["mpeg4", "mpeg2video"])
def test_what_the_decoder_would_paint_over_is_left_out_with_all_that_leans_on_it(codec, write, tmp_path):
    whole = write(tmp_path / "a.mkv", frames=100, pixels=noisy, codec=codec, between=2)
    want = by_time(whole)[0]
    content, chance, wrong, lost = Path(whole).read_bytes(), random.Random(0), 0, 0
    for _ in range(20):
        damaged, size = bytearray(content), chance.choice([1, 20, 300, 3000])
        at = chance.randrange(len(content) // 4, len(content) * 3 // 4)
        damaged[at : at + size] = chance.randbytes(size)
        (tmp_path / "b.mkv").write_bytes(damaged)
        found, notes = by_time(str(tmp_path / "b.mkv"))
        wrong += sum(np.abs(pixels - want[number]).mean() > 3 for number, pixels in found.items())
        lost += 100 - len(found)
        assert not notes or len(found) < 100
    assert 100 < lost < 600
    assert wrong < 0.005 * 2000  # painted over 1.4 and 2 % would be


def by_time(path):
    """The frames, by their time in 1/30 s, and the notes."""
    with Video(path) as video:
        return {round(one.time_s * 30): one.pixels().astype(int) for one in video.frames()}, video.notes


def test_hevc_goes_on_behind_a_hole(write, seen, tmp_path):
    whole = write(tmp_path / "a.mkv", frames=120, pixels=noisy, codec="libx265")
    content = bytearray(Path(whole).read_bytes())
    middle = len(content) * 45 // 100
    content[middle : middle + 6000] = random.Random(0).randbytes(6000)
    (tmp_path / "b.mkv").write_bytes(content)
    drawn, _, _, notes = seen(str(tmp_path / "b.mkv"))
    assert notes
    assert drawn[-1] == 119
    assert len(drawn) > 60


@pytest.mark.parametrize("name", ["a.avi", "a.mkv", "a.mpg", "a.wmv"])
def test_damage_of_any_kind_neither_hangs_nor_ends_the_process(name, write, tmp_path):
    codec = {"a.mpg": "mpeg2video", "a.wmv": "wmv2"}.get(name, "mpeg4")
    whole = Path(write(tmp_path / name, pixels=noisy, codec=codec, between=0)).read_bytes()
    chance, frames = random.Random(name), []
    for _ in range(30):
        content = bytearray(whole)
        for _ in range(chance.choice([1, 5, 50])):
            at = chance.randrange(len(content))
            content[at : at + 100] = chance.randbytes(100)
        (tmp_path / "b").write_bytes(content[: len(whole)])
        try:
            with Video(str(tmp_path / "b")) as video:
                frames.append(sum(frame.pixels().size > 0 for frame in video.frames()))
        except VideoError:
            frames.append(0)
    assert 0 < np.median(frames) <= 60


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.mp4", {"movflags": "faststart"}), ("a.mkv", {}), ("a.avi", {})],
)
def test_a_truncated_file_gives_the_frames_up_to_there_and_a_note(name, options, write, seen, tmp_path):
    whole = Path(write(tmp_path / name, frames=120, pixels=noisy, **options)).read_bytes()
    (tmp_path / "b").write_bytes(whole[: len(whole) * 6 // 10])
    drawn, _, _, notes = seen(str(tmp_path / "b"))
    assert drawn == sorted(drawn)
    assert 50 < len(drawn) < 90
    assert drawn[-1] - len(drawn) < 3  # others are decoded between
    if name == "a.avi":  # whose length FFmpeg takes from what is there
        assert notes[-1].reason == f"its header says 120 frames: got {len(drawn)}"
    else:
        assert notes[-1].reason == "ends early: its header says 4.000 s"
        assert notes[-1].start_s == pytest.approx(len(drawn) / 30, abs=0.1)


def test_a_stream_with_an_error_that_every_player_passes_over_is_read(write, seen, tmp_path):
    content = bytearray(Path(write(tmp_path / "a.mp4")).read_bytes())
    head = content.index(b"\x06\x05\xff\xff")  # of what the encoder says of itself, which is no picture
    content[head + 4] = 0xFE  # its length, which is now more than there is
    (tmp_path / "b.mp4").write_bytes(content)
    drawn, _, _, notes = seen(str(tmp_path / "b.mp4"))
    assert drawn == list(range(60))
    assert notes == ()


def noisy(number):
    """Whose frames take some kilobytes each."""
    pixels = draw_below(number)
    pixels[:24] = np.random.default_rng(number).integers(0, 256, (24, 160, 3), np.uint8)
    return pixels


def draw_below(number):
    bars = np.array([220 if number >> bit & 1 else 30 for bit in range(10)], np.uint8)
    return np.repeat(np.repeat(np.repeat(bars, 16)[None, :, None], 96, axis=0), 3, axis=2)


def test_a_long_stretch_without_frames_is_told(write, seen, tmp_path):
    _, _, _, notes = seen(write(tmp_path / "a.mkv", frames=5, times_ms=[0, 40, 80, 2580, 2620], between=0))
    assert [(note.start_s, note.end_s, note.reason) for note in notes] == [(0.08, 2.58, "no frames for 2.5 s")]


@pytest.mark.parametrize("place", [31, 44, 58, 69])
def test_clusters_of_matroska_that_are_passed_over_near_an_error_are_told(place, av, write, seen, tmp_path):
    whole = write(tmp_path / "a.mkv", frames=120, pixels=noisy, keys=10)
    with av.open(whole) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content, (start, size) = bytearray(Path(whole).read_bytes()), packets[place]
    end, _ = packets[place + 11]
    content[start + size // 2 : end] = random.Random(place).randbytes(end - start - size // 2)
    (tmp_path / "b.mkv").write_bytes(content)
    drawn, _, _, notes = seen(str(tmp_path / "b.mkv"))
    missing = sorted(set(range(120)) - set(drawn))
    assert len(missing) >= 12
    assert sum(note.lost for note in notes) == pytest.approx(len(missing), abs=2)
    assert notes[0].start_s == pytest.approx(missing[0] / 30, abs=0.07)
    assert notes[-1].end_s == pytest.approx(missing[-1] / 30, abs=0.07)


@pytest.mark.parametrize("reads", [0, 1, 2, 4, 8])
def test_a_disk_that_fails_ends_the_run_and_not_the_video(reads, write, seen, tmp_path, monkeypatch):
    path = write(tmp_path / "a.mp4", frames=120, pixels=noisy, movflags="faststart")
    failing = io.BufferedReader(FailingFile(path, reads))
    monkeypatch.setattr("of3.runtime.sources.video.opened_file", lambda _: failing)
    with pytest.raises(InputLost, match="Input/output error"):
        seen(path)


class FailingFile(io.FileIO):
    def __init__(self, path, reads):
        super().__init__(path)
        self.reads = reads

    def readinto(self, buffer, /):
        self.reads -= 1
        if self.reads < 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().readinto(buffer)


def test_what_is_no_video_has_its_own_reason(av, write, tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("hello" * 100)
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "dangling.mp4").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.mp4")
    whole = Path(write(tmp_path / "whole.mp4")).read_bytes()
    (tmp_path / "no_index.mp4").write_bytes(whole[: whole.index(b"moov")])
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile whole.mp4\n")
    write_sound(av, tmp_path / "sound.mp4")
    write(tmp_path / "no_frame.mp4", frames=0, movflags="empty_moov+frag_keyframe")
    write(tmp_path / "no_stream.mp4", frames=0)
    reasons = {}
    for path in sorted(tmp_path.iterdir()):
        if path.name != "whole.mp4":
            with pytest.raises(VideoError) as raised:
                Video(str(path))
            reasons[path.stem] = str(raised.value)
    other = "unreadable: not an MP4, MOV, AVI, Matroska, WebM, MPEG, WMV or FLV, or damaged at its start"
    assert reasons == {
        "dangling": "unreadable: No such file or directory",
        "empty": "empty file",
        "folder": "unreadable: not a regular file",
        "list": other,
        "no_frame": "no video in it: got no frame that can be decoded",
        "no_stream": "no video in it: got no stream",
        "no_index": "unreadable: an MP4 without its index (moov), which is written last",
        "pipe": "unreadable: not a regular file",
        "sound": "no video in it: got audio",
        "text": other,
    }


def write_sound(av, path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_names_that_are_not_utf8_or_look_like_addresses_are_read(write, seen, tmp_path, monkeypatch):
    content = Path(write(tmp_path / "a.mp4", frames=1)).read_bytes()
    monkeypatch.chdir(tmp_path)
    for name in (b"\xff\xfe.mp4", b"file:x.mp4", b"img%03d.png", b"-"):
        Path(os.fsdecode(name)).write_bytes(content)
        drawn, _, _, notes = seen(os.fsdecode(name))
        assert (drawn, notes) == ([0], ())


def test_a_frame_is_no_larger_than_the_limit(write, tmp_path):
    path = write(tmp_path / "a.mp4", frames=1)
    with pytest.raises(VideoError, match="too large: got 160 x 96, want at most 15359 pixels"):
        Video(path, max_pixels=15359)
    with Video(path, max_pixels=15360) as video:
        assert len(list(video.frames())) == 1


def test_gone_on_with_it_gives_the_frames_of_an_undisturbed_pass(write, number_in, tmp_path):
    path = write(tmp_path / "a.avi", frames=100)

    def passed(after=-1, most=None):
        with Video(path) as video:
            frames = selected(video.frames(), fps=12, start_s=0.5, end_s=2.9, after=after)
            return [(one.number, one.time_s, number_in(one.pixels())) for one in frames][:most]

    whole = passed()
    assert len(whole) == 29
    for done in range(1, len(whole)):
        assert passed(after=whole[done - 1][0]) == whole[done:]


def test_frames_are_converted_on_other_threads_and_after_the_file_is_closed(write, number_in, tmp_path):
    with Video(write(tmp_path / "a.mp4")) as video:
        frames = list(video.frames())
    found = {}
    threads = [
        threading.Thread(target=lambda one=one: found.update({one.number: number_in(one.pixels())}))
        for one in frames
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: number for number in range(60)}


def test_what_the_file_says_is_told_as_it_says_it(write, tmp_path):
    with Video(write(tmp_path / "a.mp4")) as video:
        info = video.info
    assert (info.codec, info.rate, info.claimed_s, info.claimed_frames) == ("h264", 30, 2, 60)


def test_memory_does_not_grow_with_the_frames(write, tmp_path):
    code = (
        "import resource, sys\nfrom of3.runtime.sources.video import Video\n"
        "with Video(sys.argv[1]) as video:\n"
        "    for frame in video.frames():\n"
        "        frame.pixels()\n"
        "        if frame.number in (99, 899): print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    path = write(tmp_path / "a.avi", frames=900)
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    early_kb, late_kb = map(int, done.stdout.split())
    assert late_kb - early_kb < 10_000  # all frames' pixels would be 40 MB


def test_without_the_extra_the_error_names_it(tmp_path):
    (tmp_path / "a.mp4").write_text("x")
    code = (
        "import sys; sys.modules['av'] = None\nfrom of3.runtime.sources.video import Video\n"
        "from of3.runtime.types import RunError\n"
        "try: Video(sys.argv[1])\nexcept RunError as error: print(error)"
    )
    again = [sys.executable, "-c", code, str(tmp_path / "a.mp4")]
    assert (
        "pip install 'of3[video]'" in subprocess.run(again, capture_output=True, text=True, check=True).stdout
    )


def test_frames_that_are_not_asked_for_are_not_converted(write, tmp_path):
    def spent_s(every):
        with Video(path) as video:
            begin_s = time.process_time()
            for frame in selected(video.frames(), every=every):
                frame.pixels()
            return time.process_time() - begin_s

    path = write(
        tmp_path / "a.mp4", frames=60, codec="mpeg4", pixels=lambda number: np.zeros((1080, 1920, 3), np.uint8)
    )
    assert spent_s(every=60) < 0.8 * spent_s(every=1)
