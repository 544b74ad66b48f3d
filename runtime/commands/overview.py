"""What `of3` says of itself: its commands, and what it is made of."""

from collections.abc import Collection, Iterator, Mapping

from of3.runtime.commands.parser import nearest

OWN = ("--help", "--version")
# In the order in which one needs them.
COMMANDS: Mapping[str, Mapping[str, str]] = {
    "get ready, once": {
        "setup": "all of it in one command: fetch, export, test",
        "fetch-weights": "bring the published weights, whose licence it shows",
        "export": "weights -> bundle: ONNX, compared with PyTorch",
        "build": "bundle -> TensorRT plans, on the machine with the GPU",
        "doctor": "say what runs here, what does not, and why; test it",
        "verify": "see that weights, engines and numbers are as they must be",
    },
    "analyse": {
        "run": "pictures -> tables: emotion, gaze, action units, landmarks",
        "video": "videos -> tables: every face of every frame",
        "live": "a camera or a stream -> a table, as it happens",
    },
    "share a run out": {
        "manifest": "list its pictures in shards, for many machines",
        "merge": "what they made of it -> the tables of one run",
    },
    "go on with what was found, without a network": {
        "render": "the tables anew, with other thresholds or columns",
        "convert": "tables for others: Parquet, OpenFace 2.2, py-feat",
        "report": "one HTML page: what ran, what failed, distributions",
        "draw": "onto the pictures and videos",
    },
}


def overview(version: str, installed: Collection[str]) -> str:
    """Every command that is installed, a line each."""
    lines = [f"of3 {version}: OpenFace 3.0 without PyTorch", "", "usage: of3 COMMAND [flags]"]
    told = {**COMMANDS, "others": dict.fromkeys(sorted(set(installed) - _known()), "")}
    for title, commands in told.items():
        found = {name: line for name, line in commands.items() if name in installed}
        if found:
            lines += ["", f"{title}:", *(f"  {name:<14} {line}".rstrip() for name, line in found.items())]
    return "\n".join([*lines, "", "of3 COMMAND --help: its flags.  of3 --version: what is installed."])


def _known() -> set[str]:
    return {name for commands in COMMANDS.values() for name in commands}


def unknown(word: str, installed: Collection[str]) -> str:
    """What is said of a command that there is not."""
    return f"got command {word!r}{nearest(word, [*installed, *OWN]) or ': see of3 --help'}"


def versions() -> Iterator[str]:
    """of3 and Python; then the libraries that engines and decoding are made of."""
    from of3.engines import machine  # OpenCV, which says its own

    found = machine.packages()
    yield f"of3 {found.pop('of3')}, Python {found.pop('python')}"
    yield ", ".join(f"{name} {version}" for name, version in found.items())
