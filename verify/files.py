"""Whether every file that bundle.json names is as it was exported: those too that nothing here opens."""

from collections.abc import Iterator

from of3.engines.bundle import REMEDY, Bundle, BundleError, ModelCard, ModelFile
from of3.runtime.logs.columns import legible
from of3.verify.finding import Finding, Listing

CHECK, ITEM = "bundle", "files"


def finding(bundle: Bundle) -> Finding:
    """Reads all of them, one by one."""
    files = {file for card in bundle.models.values() for file in _files(card)}
    damaged = {file.path.name: reason for file in sorted(files, key=_name) for reason in _damage(file)}
    if damaged:
        said = f"gone or changed since the export: {', '.join(damaged)}"
        shown = Listing("Files that are not as bundle.json has them", ("file", "found"), list(damaged.items()))
        return Finding(CHECK, ITEM, "does not hold", said, REMEDY, [], [shown])
    return Finding(CHECK, ITEM, "holds", f"{len(files)} files, each with the sha256 that bundle.json has of it")


def _name(file: ModelFile) -> str:
    return file.path.name


def _files(card: ModelCard) -> Iterator[ModelFile]:
    """A body that is the whole network is its fp32 graph, told twice."""
    yield from card.files.values()
    yield card.check.file
    if card.cut is not None:
        yield card.cut.body
        yield from [card.cut.head.file] if card.cut.head is not None else []


def _damage(file: ModelFile) -> Iterator[str]:
    try:
        file.read()
    except BundleError as error:
        yield legible(str(error))
