"""Published weight files -> state dicts that fit our modules, or one error that lists every problem."""

import hashlib
import json
import pickle
import pickletools
import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from of3.engines.errors import Error
from of3.export.published import PUBLISHED

STAND_IN_MARK = "standin.json"  # beside stand-in weights
WRAPPERS = ("net", "state_dict")  # `.pkl` files are {"net": state_dict, ...}
# What unpickling a file that was cut or changed can raise; torch passes them on.
BROKEN = (
    ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError, struct.error,
    TypeError, ValueError,
)  # fmt: skip
LISTED = 6  # keys named per kind of problem
FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
COUNTS = (torch.int64,)  # num_batches_tracked
MAX_WEIGHT = 1e10  # the published detector's largest is 98221; the square of this is a number of float32 yet


class BadWeights(Error):
    """Weight files that cannot be exported; one problem a line."""

    def __init__(self, problems: list[str]):
        lines = [f"  {problem}" for problem in problems]
        super().__init__("\n".join(["bad weights, nothing written:", *lines]))
        self.problems = problems


class Unreadable(Error):
    """One file cannot be read as a checkpoint, and why."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A weight file as it is recorded in the bundle.  status: "published", "unknown" or "stand-in"."""

    file: str
    sha256: str
    size_bytes: int
    status: str


def load_all(wanted: Mapping[Path, nn.Module]) -> list[SourceFile]:
    """Load every file into its module, strictly.  Raises BadWeights with the problems of all files at once."""
    problems: list[str] = []
    sources = []
    for path, module in wanted.items():
        try:
            state = read_state(path)
        except Unreadable as error:
            problems.append(f"{path}: {error}")
            continue
        found = mismatches(state, module)
        problems += [f"{path}: {problem}" for problem in found]
        if not found:
            module.load_state_dict(state)
            sources.append(source_file(path))
    if problems:
        raise BadWeights(problems)
    return sources


def source_file(path: Path) -> SourceFile:
    """What is known about a weight file by its digest."""
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    published = PUBLISHED.get(path.name)
    if published is not None and digest == published.sha256:
        status = "published"
    else:
        status = "stand-in" if digest in read_mark(path.parent).digests else "unknown"
    return SourceFile(path.name, digest, len(content), status)


@dataclass(frozen=True, slots=True)
class Mark:
    """What stand-in weights say of themselves."""

    digests: frozenset[str] = frozenset()  # sha256 of the files
    width: float = 1.0  # of the networks; 1 is the published one


def read_mark(folder: Path) -> Mark:
    """The mark beside stand-in weights; an empty one where there is none."""
    mark = folder / STAND_IN_MARK
    if not mark.is_file():
        return Mark()
    try:
        document = json.loads(mark.read_text("utf-8"))
        digests = document.get("sha256", document)  # once the whole document
        return Mark(frozenset(digests.values()), float(document.get("width", 1.0)))
    except (OSError, ValueError, AttributeError, TypeError):
        return Mark()


def read_state(path: Path) -> dict[str, Tensor]:
    """A checkpoint's state dict, without `module.` prefixes, running no code of it.  Raises Unreadable."""
    if path.exists() and not path.is_file():  # a named pipe would hold the export for ever
        raise Unreadable("not a regular file: move it away, and download the file into this folder")
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise Unreadable(f"{error.strerror}: download it into this folder") from error
    if refusal := not_a_checkpoint(head):
        raise Unreadable(refusal)
    return state_of(_load(path, head))


def not_a_checkpoint(head: bytes) -> str:
    """What a file really is by its first bytes, empty if it may be a checkpoint."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return "the file is empty: download it again"
    if text.startswith(b"<"):
        return "an HTML page was saved in its place: download the file itself, not its web page"
    if text.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer is in its place: run `git lfs pull`, or download the file itself"
    return ""


def _load(path: Path, head: bytes) -> Any:
    if head.startswith(b"PK"):
        if not zipfile.is_zipfile(path):
            raise Unreadable("truncated: the archive has no end, download it again")
        if damaged := _damaged(path):
            raise Unreadable(f"damaged: {damaged}, download it again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of pickle protocols other than 2
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise Unreadable(_refusal(str(error), path)) from error
    except BROKEN as error:
        lines = str(error).splitlines()
        detail = lines[0] if lines else type(error).__name__
        raise Unreadable(f"truncated or damaged, download it again ({detail})") from error


def _damaged(path: Path) -> str:
    """What is wrong with an archive, empty if nothing is; nothing of it is packed, or it would hold a bomb."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            if size > path.stat().st_size:
                return f"its members unpack to {size} bytes, more than it has"
            failing = archive.testzip()
            return f"{failing} fails its checksum" if failing else ""
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        return str(error)


def _refusal(message: str, path: Path) -> str:
    """torch's reason for not unpickling -> ours.  It names the global only where it knows the opcode."""
    named = re.search(r"(?:GLOBAL|global|class|function)\s+`?([\w.]+\.[\w.]+)`?", message)
    wanted = named[1] if named else _first_global(path)
    if wanted:
        return (
            f"refused by weights_only: the pickle wants to run code ({wanted}), which no state dict needs; "
            "this is not the published file"
        )
    return "truncated or damaged, or not a checkpoint: download it again"


def _first_global(path: Path) -> str:
    """The first callable a bare pickle asks for, read opcode by opcode and not run; empty if none."""
    strings: list[str] = []
    try:
        with path.open("rb") as file:
            for opcode, argument, _ in pickletools.genops(file):
                if opcode.name == "GLOBAL":
                    return str(argument).replace(" ", ".")
                if opcode.name == "STACK_GLOBAL":
                    return ".".join(strings[-2:])
                if isinstance(argument, str):
                    strings.append(argument)
    except BROKEN:
        pass
    return ""


def state_of(loaded: Any) -> dict[str, Tensor]:
    """The state dict inside a loaded checkpoint.  Raises Unreadable."""
    for wrapper in WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    if not isinstance(loaded, Mapping) or not loaded:
        raise Unreadable(f"got {type(loaded).__name__}, want a state dict")
    strange = [str(key) for key, value in loaded.items() if not isinstance(value, Tensor)]
    if strange:
        raise Unreadable(f"not a state dict: no tensor under {_some(strange)}")
    unlike = [f"{key} ({kind})" for key, value in loaded.items() if (kind := unlike_published(value))]
    if unlike:
        raise Unreadable(f"want dense tensors of numbers, as published, got {_some(unlike)}")
    state = {str(key).removeprefix("module."): value for key, value in loaded.items()}
    if len(state) < len(loaded):
        names = [str(key).removeprefix("module.") for key in loaded]
        raise Unreadable(f"with and without `module.`: {_some([key for key in state if names.count(key) > 1])}")
    return state


def unlike_published(tensor: Tensor) -> str:
    """What keeps a tensor from being looked at number by number, empty if nothing does.

    Looking is what takes for ever: 10^12 numbers may be views of one.
    """
    if tensor.is_nested or tensor.layout != torch.strided:
        return "nested" if tensor.is_nested else str(tensor.layout).removeprefix("torch.")
    if tensor.device.type != "cpu":
        return f"on {tensor.device.type}"
    if tensor.dtype not in FLOATS + COUNTS:
        return str(tensor.dtype).removeprefix("torch.")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        return f"{tensor.numel()} numbers made of fewer"
    return ""


def mismatches(state: Mapping[str, Tensor], module: nn.Module) -> list[str]:
    """Every way in which a state dict does not fit a module."""
    want = module.state_dict()
    missing = [key for key in want if key not in state]
    unknown = [key for key in state if key not in want]
    shared = [key for key in want if key in state]
    shapes = [
        f"{key} got {tuple(state[key].shape)} want {tuple(want[key].shape)}"
        for key in shared
        if state[key].shape != want[key].shape
    ]
    kinds = [
        f"{key} got {state[key].dtype} want {want[key].dtype}"
        for key in shared
        if state[key].is_floating_point() != want[key].is_floating_point()
    ]
    beyond = [key for key in shared if not (state[key].abs() <= MAX_WEIGHT).all()]  # NaN is not
    negative = [key for key in shared if key.endswith("running_var") and (state[key] < 0).any()]
    named = {
        "missing keys": missing,
        "unknown keys": unknown,
        "wrong shapes": shapes,
        "wrong types": kinds,
        f"not finite or beyond {MAX_WEIGHT:g}": beyond,
        "negative variances": negative,
    }
    return [f"{kind}: {_some(keys)}" for kind, keys in named.items() if keys]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
