"""What an ONNX file may hold to be loaded: standard operators that end, and all of its weights in itself.

A graph that names operators of another domain has code brought in from elsewhere, one that names external data
has files read from wherever it says.  onnxruntime looks at both only once it is loading, and allows a hard link
or a file of the working folder; so the file is looked through first.  Only the few fields that matter are read
(onnx.proto3's numbers), straight from the wire format, without the onnx package.
"""

import re
from collections.abc import Iterator

from of3.engines.bundle import REMEDY, BundleError, ModelFile

DOMAINS = ("", "ai.onnx")
# Refused besides: operators that hold a graph (If, Loop, Scan, SequenceMap, what a later ONNX adds: a Loop
# ran until it was killed), and those that give other numbers each time.  That is a list of what is refused and
# not of the 32 operators that our networks have: another release of the exporter may say the same in others
# (Swish for Sigmoid and Mul), and a good bundle would not run.  All that standard ONNX has left ends,
# and gives the same again.
RANDOM = re.compile(r"Random\w*|Bernoulli|Multinomial|Dropout")

# Fields of onnx.proto3.
MODEL_GRAPH, MODEL_OPSET, MODEL_TRAINING, MODEL_FUNCTION = 7, 8, 20, 25
OPSET_DOMAIN = 1
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_SPARSE = 1, 5, 15
NODE_OP_TYPE, NODE_ATTRIBUTE, NODE_DOMAIN = 4, 5, 7
ATTRIBUTE_GRAPHS, ATTRIBUTE_TENSORS, ATTRIBUTE_SPARSE = (6, 11), (5, 10), (22, 23)
SPARSE_TENSORS = (1, 2)
TENSOR_EXTERNAL, TENSOR_LOCATION = 13, 14


def read_graph(file: ModelFile) -> bytes:
    """A model file's bytes, digest and content checked.  Raises BundleError."""
    content = file.read()
    try:
        _check_model(memoryview(content))
    except ValueError as error:
        raise BundleError(f"{file.path}: {error}: {REMEDY}") from error
    return content


def _check_model(model: memoryview) -> None:
    for number, value in _fields(model):
        if number in (MODEL_FUNCTION, MODEL_TRAINING):
            raise ValueError("holds functions or training graphs, want a plain graph")
        if number == MODEL_OPSET:
            _check_domain(value, OPSET_DOMAIN, "operator set")
        if number == MODEL_GRAPH:
            _check_graph(_bytes(value))


def _check_graph(graph: memoryview) -> None:
    for number, value in _fields(graph):
        if number == GRAPH_NODE:
            _check_node(_bytes(value))
        elif number == GRAPH_INITIALIZER:
            _check_tensor(_bytes(value))
        elif number == GRAPH_SPARSE:
            _check_sparse(_bytes(value))


def _check_node(node: memoryview) -> None:
    name = _text(node, NODE_OP_TYPE)
    _check_domain(node, NODE_DOMAIN, f"operator {name}")
    if RANDOM.fullmatch(name):
        raise ValueError(f"holds operator {name}, which gives other numbers each time")
    for number, value in _fields(node):
        if number == NODE_ATTRIBUTE:
            for inner, part in _fields(_bytes(value)):
                if inner in ATTRIBUTE_GRAPHS:
                    raise ValueError(f"holds operator {name} with a graph in it, which may never end")
                if inner in ATTRIBUTE_TENSORS:
                    _check_tensor(_bytes(part))
                elif inner in ATTRIBUTE_SPARSE:
                    _check_sparse(_bytes(part))


def _check_sparse(sparse: memoryview) -> None:
    for number, value in _fields(sparse):
        if number in SPARSE_TENSORS:
            _check_tensor(_bytes(value))


def _check_tensor(tensor: memoryview) -> None:
    for number, value in _fields(tensor):
        if number == TENSOR_EXTERNAL or (number == TENSOR_LOCATION and value != 0):
            raise ValueError("holds weights in another file, want them in the graph")


def _check_domain(message: int | memoryview, field: int, what: str) -> None:
    domain = _text(_bytes(message), field)
    if domain not in DOMAINS:
        raise ValueError(f"holds {what} of domain {domain!r}, want standard ONNX")


def _text(message: memoryview, field: int) -> str:
    """A field of text, printable; as protobuf has it, the last of several and empty where there is none."""
    found = [_bytes(value) for number, value in _fields(message) if number == field]
    return ascii(bytes(found[-1]).decode("utf-8", "replace"))[1:-1] if found else ""


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("not an ONNX file")
    return value


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field (protobuf's wire format): an integer, or the bytes of the others."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if kind == 2:
            size, at = _varint(message, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError("not an ONNX file")
        if size > len(message) - at:
            raise ValueError("not an ONNX file, or cut short")
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number of up to ten bytes, seven bits each, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
    raise ValueError("not an ONNX file, or cut short")
