"""The options of a run as others want them: JSON, settings, what is written of a picture, identity."""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from of3.engines import machine
from of3.engines.bundle import Bundle, BundleError
from of3.engines.manifest import MANIFEST
from of3.runtime.bundle import open_bundle, points_of
from of3.runtime.logs.folder import Mode
from of3.runtime.logs.rows import RowOptions
from of3.runtime.networks import LANDMARKS
from of3.runtime.options import FLAGS, Options
from of3.runtime.settings import Faces, Resize, Settings
from of3.runtime.types import RunError


def to_json(options: Options) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(options).items()}


def check_json(flags: Mapping[str, Any]) -> None:
    """Raise ValueError unless they are what `to_json` gives, each of its type."""
    kinds: Mapping[Any, tuple[type, ...]] = {
        bool: (bool,),
        int: (int,),
        float: (int, float),
        Resize: (int, float, str),
        Faces: (int, str),
        str: (str,),
        Path: (str,),
        tuple[int, int] | None: (list, tuple, type(None)),
    }
    if flags.keys() != FLAGS.keys():
        raise ValueError(f"got flags {', '.join(flags)}, want {', '.join(FLAGS)}")
    for option in fields(Options):
        if type(flags[option.name]) not in kinds[option.type]:
            raise ValueError(f"{option.name}: got {flags[option.name]!r}, want {option.type}")


def identity_of(flags: Mapping[str, Any], bundle_sha256: str) -> dict[str, Any]:
    """What makes the rows but for the AU order: a run of another identity may not go on with this one."""
    return {
        "of3": machine.packages()["of3"],
        "opencv": machine.opencv_version(),  # other decoders and warps, other pixels
        "bundle": bundle_sha256,
        "flags": {name: value for name, value in flags.items() if FLAGS[name].matters},
    }


def settings_of(options: Options, bundle: Bundle, cores: int) -> Settings:
    """What is asked for under the same name, and what follows from several flags."""
    derived = {
        "precision": precision_of(options),
        "detect": not options.skip_detect,
        "landmarks": options.landmarks and LANDMARKS in bundle.models,
        "memory_bytes": options.memory,
        "workers": 0 if options.executor else options.workers,
        "parallel_runs": cores,
        "cores": cores,
    }
    return Settings(**{**_shared(options, Settings), **derived})


def precision_of(options: Options) -> str:
    return options.dtype if options.amp else "fp32"


def most_of(faces: Faces) -> int:
    """Of a picture, the best; 0: all."""
    return faces if isinstance(faces, int) else int(faces == "best")


def row_options(options: Options, bundle: Bundle) -> RowOptions:
    points = points_of(bundle) if options.landmarks else 0
    return RowOptions(**_shared(options, RowOptions), points=points)


def _shared(options: Options, record: type[Any]) -> dict[str, Any]:
    """The options that a record has under the same name."""
    return {each.name: getattr(options, each.name) for each in fields(record) if each.name in FLAGS}


def mode_of(options: Options) -> Mode:
    return Mode(override=options.override, resume=options.resume or options.retry_failed)


def bundle_of(options: Options) -> Bundle:
    """Raises RunError with the commands that make the bundle."""
    if not (options.bundle / MANIFEST).exists():
        raise RunError(_how_to_begin(options))
    with saying_how_to_export(options):
        return open_bundle(options.bundle)


def _how_to_begin(options: Options) -> str:
    """What is missing of a bundle, and the commands that make it, from the beginning."""
    if not options.of3_root.is_dir():
        return f"--of3_root {options.of3_root}: no such folder"
    has_weights = (options.weights / "MTL_backbone.pth").exists()
    first = "" if has_weights else f"{fetch_command(options)}\nof3: then with: "
    return f"{options.bundle}: no bundle there yet\nof3: make it with: {first}{export_command(options)}"


@contextmanager
def saying_how_to_export(options: Options) -> Iterator[None]:
    """A bundle that cannot be read as a RunError, with the exact command that makes it."""
    try:
        yield
    except BundleError as error:
        raise RunError(f"{error}\nof3: make the bundle with: {export_command(options)}") from error


def fetch_command(options: Options) -> str:
    """The command that brings the weights these options ask for."""
    words = ["of3", "fetch-weights", "--of3_root", str(options.of3_root)]
    is_usual = options.weights == options.of3_root / "weights"
    return shlex.join(words if is_usual else [*words, "--weights", str(options.weights)])


def export_command(options: Options) -> str:
    """The exact command that makes the bundle these options ask for."""
    words = ["of3", "export", "--of3_root", str(options.of3_root)]
    if options.weights != options.of3_root / "weights":
        words += ["--weights", str(options.weights)]
    if options.bundle != options.weights / "of3_bundle":
        words += ["--bundle", str(options.bundle)]
    return shlex.join(words + (["--force"] if options.bundle.exists() else []))
