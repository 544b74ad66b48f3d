"""Streams that a server on this machine sends."""

import time
from pathlib import Path

import numpy as np
import pytest

from of3.runtime.sources.address import Address, is_address, shown
from of3.runtime.sources.frames import Frame
from of3.runtime.sources.live import StreamLost
from of3.runtime.types import RunError


def grainy(number):
    """What is hard to compress: more than FFmpeg reads at once."""
    return np.random.default_rng(number).integers(0, 256, (144, 192, 3), np.uint8)


@pytest.fixture
def sent(write, tmp_path, over_http):
    """What a server sends of a second of video."""
    return over_http(write(tmp_path / "sent.ts", 30, between=0))


def test_a_stream_that_is_lost_is_gone_on_with_for_a_while(server, sent, number_in, caplog):
    with server(sent, sent) as port:
        feed = Address(f"http://me:secret@127.0.0.1:{port}/live?token=hidden", patience_s=1.0)
        found: list[tuple[Frame, int]] = []
        with pytest.raises(StreamLost, match=r"lost \(it ended\), and did not come back: Connection refused"):
            found.extend((frame, number_in(frame.pixels())) for frame in feed.frames())
        feed.close()
    assert [frame.number for frame, _ in found] == list(range(len(found)))
    assert [number for _, number in found] == [*range(30), *range(30)]
    times_s = [frame.time_s for frame, _ in found]
    assert times_s[:30] == pytest.approx([number / 30 for number in range(30)], abs=1e-4)
    assert times_s == sorted(set(times_s))
    sources = [frame.time_source for frame, _ in found]
    assert sources == [*["pts"] * 30, "arrival", *["pts"] * 29]
    (loss,) = feed.losses
    assert loss.time_s == pytest.approx(29 / 30, abs=1e-4)
    assert loss.reason == "it ended"
    assert "lost (it ended): trying again for 1 s" in caplog.text
    assert "secret" not in caplog.text and "hidden" not in caplog.text


def as_file(content):
    """What a server sends of a file that has all of `content`."""
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    return head.encode() + content


def test_a_recording_at_an_address_ends_as_it_does(server, write, tmp_path):
    content = Path(write(tmp_path / "clip.mkv", 30, between=0, pixels=grainy)).read_bytes()
    answer = as_file(content)
    with server(answer) as port:
        feed = Address(f"http://127.0.0.1:{port}/clip.mkv", patience_s=5.0)
        assert feed.is_paced
        assert len(list(feed.frames())) == 30
        feed.close()
    with server(answer[: len(answer) * 2 // 3]) as port:
        feed, found = Address(f"http://127.0.0.1:{port}/clip.mkv", patience_s=5.0), list[Frame]()
        with pytest.raises(StreamLost, match=r"clip\.mkv: broke off: "):
            found.extend(feed.frames())
        feed.close()
    assert 10 < len(found) < 30


def test_who_is_not_there_is_told_without_the_password(server):
    with server() as port:
        time.sleep(0.05)
    with pytest.raises(RunError, match=f"^http://127.0.0.1:{port}/live: Connection refused: is it up"):
        Address(f"http://me:secret@127.0.0.1:{port}/live?token=hidden", patience_s=0.0)


def test_a_playlist_leads_to_no_file_of_this_machine(server, write, tmp_path):
    path = write(tmp_path / "mine.ts", 30)
    body = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{path}\n#EXT-X-ENDLIST\n".encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.apple.mpegurl\r\nConnection: close\r\n"
    answer = head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    with server(answer, answer) as port, pytest.raises(RunError):
        Address(f"http://127.0.0.1:{port}/live.m3u8", patience_s=0.0)


@pytest.mark.parametrize(
    ("text", "want"), [("rtsp://camera/1", True), ("clip.mp4", False), (r"C:\clip.mp4", False), ("-", False)]
)
def test_addresses_and_paths_are_told_apart(text, want):
    assert is_address(text) is want


def test_an_address_of_another_kind_says_which_are_read():
    with pytest.raises(RunError, match=r"^got file:///etc/passwd, want rtsp, "):
        is_address("file:///etc/passwd")


@pytest.mark.parametrize(
    "url", ["http://[::1/x?token=hidden", "rtsp://me:secret@[camera/1", "rtsp://me:secret@camera\u2100/1"]
)
def test_an_address_that_is_none_is_told_without_it(url):
    for taken in (shown, lambda text: Address(text, patience_s=0.0)):
        with pytest.raises(RunError, match=r"^got an address whose host cannot be read, want ") as raised:
            taken(url)
        assert raised.value.__suppress_context__
        assert not any(word in str(raised.value) for word in ("hidden", "secret", "camera"))


def test_what_is_shown_of_an_address_holds_no_secret():
    assert shown("rtsp://me:secret@10.0.0.5:554/stream1?token=x") == "rtsp://10.0.0.5:554/stream1"
