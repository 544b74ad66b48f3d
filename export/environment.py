"""A Python environment that holds PyTorch for the time of an export."""

import importlib.metadata
import json
import logging
import os
import shutil
import subprocess
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from of3.engines.errors import Error

log = logging.getLogger(__name__)

EXTRAS = "of3[export,fetch]"
MARK = "made-by-of3-setup"  # a file in environments that we made, and may install into and remove
CACHE = "pip-cache"  # in there too: what is whole need not be fetched twice, and HOME is left alone
OF3 = "import sys; from of3.runtime.commands.cli import main; sys.exit(main())"
PROBE = "import importlib.metadata as m, of3.export, onnx, onnxscript, torch; print(m.version('of3'))"


class SetupFailed(Error):
    """A step that did not work, and what to do."""


@dataclass(frozen=True, slots=True)
class Environment:
    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def is_ours(self) -> bool:
        return (self.folder / MARK).is_file()

    def prepare(self, package: str, pip: Sequence[str]) -> None:
        """Make it where there is none, or go on with that; one that others made is used as it is.

        package: what pip installs.  pip: arguments for it.  Raises SetupFailed, OSError.
        """
        if self.is_ours or not self.folder.exists() or not any(self.folder.iterdir()):
            self._make()
            self._install(package, pip)
        elif not self.python.is_file():
            raise SetupFailed(f"{self.folder} is no Python environment: pass another --environment")
        self._check()

    def _make(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / MARK).touch()
        try:
            venv.create(self.folder, with_pip=True, symlinks=os.name != "nt")
        except subprocess.CalledProcessError as error:
            raise SetupFailed(
                f"{self.folder}: Python's venv did not work: on Debian and Ubuntu `apt install python3-venv`, "
                f"or pass an environment that holds {EXTRAS} as --environment DIR"
            ) from error

    def _install(self, package: str, pip: Sequence[str]) -> None:
        free_gb = shutil.disk_usage(self.folder).free / 1e9
        log.info("installing %s into %s, with %.0f GB free", package, self.folder, free_gb)
        log.info(
            "PyTorch with CUDA is 3 GB to fetch and 6 on the disk; for CPUs, where an index has it, 0.3 and 1.3"
        )
        words = ("-m", "pip", "install", "--disable-pip-version-check", "--cache-dir", str(self.folder / CACHE))
        if self._python(*words, *pip, package).returncode:
            raise SetupFailed(
                "pip did not install it, for the reason above: look at the connection, the proxy (HTTPS_PROXY) "
                "and the room on the disk; another index is passed as --pip=--index-url=URL, another source of "
                "of3 as --package PATH"
            )

    def _check(self) -> None:
        """Raise SetupFailed unless this version of of3 could export here."""
        found = self._python("-c", PROBE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if found.returncode:
            reason = (found.stderr.strip().splitlines() or [f"exit status {found.returncode}"])[-1]
            raise SetupFailed(f"{self.folder}: {reason}: install {EXTRAS} there, or pass another --environment")
        got, want = found.stdout.strip(), importlib.metadata.version("of3")
        if got != want:
            raise SetupFailed(
                f"{self.folder}: got of3 {got}, want {want} as here: pass that one as --package PATH"
            )

    def run(self, *words: str | Path) -> None:
        """An `of3` command, in there.  Raises SetupFailed with its name."""
        status = self._python("-c", OF3, *words).returncode
        if status:
            raise SetupFailed(f"of3 {words[0]} ended with exit status {status}, for the reason above")

    def _python(
        self, *words: str | Path, stdout: int | None = None, stderr: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        """-I: without PYTHONPATH, the user's own packages, and what lies in the folder we stand in."""
        command = [self.python, "-I", *words]
        return subprocess.run(command, stdout=stdout, stderr=stderr, text=True, check=False)  # noqa: S603

    def remove(self) -> None:
        """Only one that we made."""
        if self.is_ours:
            shutil.rmtree(self.folder)


def own_package() -> str:
    """This very of3 with what exporting needs, as pip takes it."""
    distribution = importlib.metadata.distribution("of3")
    return package_from(distribution.read_text("direct_url.json"), distribution.version)


def package_from(origin: str | None, version: str) -> str:
    """`direct_url.json` (PEP 610; None: it came from an index) -> a requirement of pip's."""
    if origin is None:
        return f"{EXTRAS}=={version}"
    document = json.loads(origin)
    url = document["url"]
    if "vcs_info" in document:
        url = f"{document['vcs_info']['vcs']}+{url}@{document['vcs_info']['commit_id']}"
    return f"{EXTRAS} @ {url}"


def package_at(path: str) -> str:
    """A wheel or a folder -> a requirement of pip's."""
    return f"{EXTRAS} @ {Path(path).resolve(strict=True).as_uri()}"
