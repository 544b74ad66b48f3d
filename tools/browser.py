"""A page in a real Chromium without a window: what it logs, asks for and draws.

Spoken to over two pipes, as `--remote-debugging-pipe` has it: a JSON message each way, ended by a NUL.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # which root cannot have
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--remote-debugging-pipe",
)
PATIENCE_S = 60.0
KEYS = {"Escape": 27, "Tab": 9, "Enter": 13, "ArrowUp": 38, "ArrowDown": 40}
TOLD = ("error", "warning", "assert")


def chromium() -> str | None:
    """Where one is installed; None where none is."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@dataclass
class Browser:
    """Made by `open_browser`; shows one page at a time."""

    to: int  # the pipes
    back: int
    session: str = ""
    sent: int = 0
    read: bytes = b""
    messages: list[str] = field(
        default_factory=list
    )  # what the page's console was told, but for what is no error
    requests: list[str] = field(default_factory=list)  # addresses

    def show(self, path: Path, width_px: int, height_px: int, is_dark: bool = False) -> None:
        """Open a page that says when its charts are drawn.  Raises TimeoutError."""
        if not self.session:
            target = self.ask("Target.createTarget", url="about:blank")["targetId"]
            self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.ask(f"{domain}.enable")
        size = {"width": width_px, "height": height_px, "deviceScaleFactor": 1, "mobile": False}
        self.ask("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.messages.clear()
        self.requests.clear()
        self.ask("Page.navigate", url=path.resolve().as_uri())
        self.wait("document.documentElement?.dataset.drawn === 'yes'")

    def wait(self, condition: str) -> None:
        """Until an expression is true.  Raises TimeoutError."""
        end_s = time.monotonic() + PATIENCE_S
        while not self.value(condition):
            if time.monotonic() > end_s:
                raise TimeoutError(f"{condition}: not so after {PATIENCE_S} s; {self.messages}")
            time.sleep(0.05)

    def value(self, expression: str) -> Any:
        """Of an expression in the page."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self.ask(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=KEYS[key], **text
            )

    def move(self, x: float, y: float, kind: str = "mouseMoved", **button: Any) -> None:
        """The mouse.  kind: also `mousePressed`, `mouseReleased`."""
        self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    def picture(self, is_whole: bool = False) -> bytes:
        """PNG of what is seen, or of the whole page."""
        answer = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=is_whole)
        return base64.b64decode(answer["data"])

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Raises RuntimeError: it is refused; TimeoutError."""
        self.sent += 1
        message = {"id": self.sent, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        for answer in self._told():
            if answer.get("id") == self.sent:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer["result"])
            self._note(answer.get("method", ""), answer.get("params", {}))
        raise RuntimeError("the browser has gone")

    def _told(self) -> Iterator[dict[str, Any]]:
        while True:
            while b"\0" in self.read:
                message, _, self.read = self.read.partition(b"\0")
                yield json.loads(message)
            if not select.select([self.back], [], [], PATIENCE_S)[0]:
                raise TimeoutError(f"the browser has said nothing for {PATIENCE_S} s")
            part = os.read(self.back, 1 << 20)
            if not part:
                return
            self.read += part

    def _note(self, event: str, told: Mapping[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.messages.append(json.dumps(told["exceptionDetails"]))
        elif event == "Log.entryAdded" or (event == "Runtime.consoleAPICalled" and told["type"] in TOLD):
            self.messages.append(json.dumps(told))


def _pipe() -> list[int]:
    """Its ends, numbered beyond those that the browser wants to have."""
    ends = os.pipe()
    numbered = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return numbered


@contextmanager
def open_browser(executable: str) -> Iterator[Browser]:
    with ExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        (read, to), (back, write) = _pipe(), _pipe()
        command = [executable, *FLAGS, f"--user-data-dir={folder}", "about:blank"]
        numbered = ["bash", "-c", f'exec "$@" 3<&{read} 4>&{write}', "bash", *command]
        process = subprocess.Popen(numbered, pass_fds=(read, write), stderr=subprocess.DEVNULL)
        for handle in (read, write):
            os.close(handle)
        opened.callback(os.close, back)
        opened.callback(process.wait)
        opened.callback(process.terminate)
        opened.callback(os.close, to)
        yield Browser(to, back)


def main(argv: Sequence[str]) -> int:
    """`python -m tools.browser PAGE WIDTH_PX HEIGHT_PX OUT.png`: a picture of it."""
    page, width_px, height_px, out = argv
    executable = chromium()
    if executable is None:
        raise SystemExit(f"no Chromium here, want one of {', '.join(NAMES)}")
    with open_browser(executable) as opened:
        opened.show(Path(page), int(width_px), int(height_px))
        Path(out).write_bytes(opened.picture())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
