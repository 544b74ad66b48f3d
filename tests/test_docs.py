"""Every block of code of the README and the site does what it says; or its flags are there.

A block stands for itself, in a process of its own, in a folder that has what the pages name.  Of what it
writes only the exit status counts.  `<!-- not run: why -->` before a block keeps it from being run.
"""

import re
import runpy
import shlex
import shutil
import subprocess
import sys
from configparser import ConfigParser
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from of3.export.pictures import draw_face

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md")))
BLOCK = re.compile(r"(?:<!-- not run: ([^>]+) -->\n)?^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = {"python": (sys.executable, "-c"), "sh": ("bash", "-euo", "pipefail", "-c")}
SHOWN = {
    "text",
    "{toctree}",
    "{commands}",
    "{eval-rst}",
    "{include}",
}  # what a program prints, and Sphinx's own
SHORT = {"README.md"}
NEEDS_MORE = ("build", "export", "fetch-weights", "live")  # a GPU, minutes of PyTorch, a network, a camera
SHIMS = {
    "pip": "exit 0",  # the extras are looked at below
    "of3": f'case "$1" in {"|".join(NEEDS_MORE)}) exit 0;; esac\n'
    f'exec {sys.executable} -c "import sys; from of3.runtime.commands.cli import main; sys.exit(main())" "$@"',
    "of3_py": f'exec {sys.executable} "$@"',
}


@dataclass(frozen=True, slots=True)
class Block:
    page: Path
    line: int
    why_not: str
    language: str
    text: str

    def __str__(self):
        return f"{self.page.name}:{self.line}"


def blocks(page):
    text = page.read_text("utf-8")
    return [
        Block(page, text.count("\n", 0, found.start(2)) + 1, found[1] or "", found[2], found[3])
        for found in BLOCK.finditer(text)
    ]


EVERY = [block for page in PAGES for block in blocks(page)]


@cache
def flags_of():
    """Command -> the flags in its help."""
    pytest.importorskip("sphinx", reason="the extra docs is not installed")
    reference = runpy.run_path(str(REPOSITORY / "docs" / "extensions" / "commands.py"))
    return {
        name: set(re.findall(r"--?\w+", reference["help_of"](place)))
        for name, place in reference["commands"]().items()
    }


def lines_of(text):
    """Commands of a block, joined where they go on, without what a pipe or `&&` puts behind them."""
    joined = text.replace("\\\n", " ")
    return [words for line in joined.splitlines() if (words := shlex.split(line, comments=True))]


@pytest.fixture(scope="session")
def furnished(tmp_path_factory, standin_root):
    """A folder with pictures, videos, weights and the script, by the names that the pages have for them."""
    pytest.importorskip("av", reason="the extra video is not installed")
    here = tmp_path_factory.mktemp("docs") / "here"
    pictures = sorted((standin_root / "images").glob("*.png"))[:3]
    for folder in ("faces", "photographs", "workspace/data_src/aligned"):
        (here / folder).mkdir(parents=True)
        for path in pictures:
            shutil.copy(path, here / folder)
    for name, path in zip(("a.jpg", "b.jpg"), pictures[:2], strict=True):
        shutil.copy(path, here / name)
    for name in ("clip.mp4", "interview.mp4", "clips/one.mp4"):
        (here / name).parent.mkdir(exist_ok=True)
        write_video(here / name)
    for root in ("OpenFace-3.0", "workspace/tools/OpenFace-3.0"):
        (here / root).parent.mkdir(exist_ok=True)
        (here / root).symlink_to(standin_root)
    (here / "workspace/scripts").mkdir()
    (here / "tools").mkdir()
    shutil.copy(REPOSITORY / "tools" / "openface3.py", here / "tools")
    for name, body in SHIMS.items():
        shim = here / "bin" / name
        shim.parent.mkdir(exist_ok=True)
        shim.write_text(f"#!/bin/sh\n{body}\n")
        shim.chmod(0o700)
    return here


def write_video(path):
    import av

    with av.open(str(path), "w") as film:
        stream = film.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 256
        for _ in range(4):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(draw_face(1), "bgr24")))
        film.mux(stream.encode())


def is_run(block):
    return block.language in RUN and not block.why_not


RUNNING = [
    pytest.param(page, marks=() if page.name in SHORT else pytest.mark.long, id=page.stem)
    for page in PAGES
    if any(map(is_run, blocks(page)))
]


@pytest.mark.parametrize("page", RUNNING)
def test_the_blocks_of_a_page_run_in_their_order(page, furnished, tmp_path, monkeypatch):
    pytest.importorskip("pandas", reason="the extra tables is not installed")
    here = Path(shutil.copytree(furnished, tmp_path / "here", symlinks=True))
    monkeypatch.setenv("PATH", str(here / "bin"), prepend=":")
    for block in filter(is_run, blocks(page)):
        text = block.text.replace("/workspace", str(here / "workspace"))
        command = [*RUN[block.language], text]
        done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, f"{block}\n{block.text}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("block", EVERY, ids=str)
def test_a_block_is_run_or_only_shown_or_says_why_not(block):
    assert block.language in RUN or block.language in SHOWN or block.why_not


@pytest.mark.parametrize("block", [each for each in EVERY if each.language == "sh"], ids=str)
def test_what_a_block_of_commands_names_is_there(block):
    """Also of blocks that are not run."""
    known = flags_of()
    for words in lines_of(block.text):
        if words[0].startswith("tools/"):
            assert (REPOSITORY / words[0]).exists(), words[0]
        for start, command in enumerate(words[1:], 1):
            if words[start - 1] == "of3":
                named = {word.partition("=")[0] for word in words[start:] if re.match(r"--[a-z]", word)}
                assert named <= known[command], (block, named - known[command])


def test_every_extra_that_a_page_installs_is_there():
    metadata = ConfigParser()
    metadata.read(REPOSITORY / "setup.cfg", "utf-8")
    there = set(metadata["options.extras_require"])
    for page in PAGES:
        for extras in re.findall(r"(?:of3|'\.)\[([\w,]+)\]", page.read_text("utf-8")):
            assert set(extras.split(",")) <= there, (page, extras)


def test_every_public_name_has_its_place_in_the_reference():
    import of3

    page = (REPOSITORY / "docs" / "reference" / "python.md").read_text("utf-8")
    shown = re.findall(r"^\.\. auto(?:class|function|exception|data):: (\w+)$", page, re.M)
    assert sorted(shown) == sorted({*of3.__all__} - {"__version__"})


def test_the_readme_is_short():
    lines = (REPOSITORY / "README.md").read_text("utf-8").splitlines()
    assert len(lines) <= 150
    assert max(map(len, lines)) <= 80


def test_the_command_of_the_script_that_is_replaced_stays_as_it_is():
    seeds = (
        "  --aligned /workspace/data_src/aligned \\\n  --logs    /workspace/data_src/logs \\\n"
        "  --of3_root /workspace/tools/OpenFace-3.0 \\\n  --device cuda --amp on --dtype bf16 --tf32 on \\\n"
        "  --skip_detect on --per_image on --override\n"
    )
    text = (REPOSITORY / "README.md").read_text("utf-8")
    assert "of3_py -u /workspace/scripts/openface3.py \\\n" + seeds in text


def test_a_release_has_one_number():
    metadata = ConfigParser()
    metadata.read(REPOSITORY / "setup.cfg", "utf-8")
    version = metadata["metadata"]["version"]
    assert re.search(
        rf"^version: {re.escape(version)}$", (REPOSITORY / "CITATION.cff").read_text(), re.MULTILINE
    )
    releases = re.findall(r"^## (\S+)", (REPOSITORY / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert releases[0] == version


def test_the_links_of_pages_outside_the_site_lead_somewhere():
    """Sphinx checks the others."""
    for page in (
        REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md")
    ):
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
            assert link.startswith("https://") or (page.parent / link).exists(), (page, link)
