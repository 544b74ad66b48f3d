"""An ONNX graph on one onnxruntime provider."""

import threading
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from of3.engines.base import (
    BatchRefused,
    CpuThreads,
    EngineFailed,
    EngineUnavailable,
    Floats,
    Outputs,
    Wait,
    begun,
)
from of3.engines.bundle import REMEDY, Bundle, BundleError, ModelCard
from of3.engines.field import shown
from of3.engines.graph import read_graph
from of3.engines.providers import (
    PROVIDERS,
    Provider,
    built_in,
    check_cuda,
    engine_errors,
    import_onnxruntime,
    is_out_of_memory,
)

# Batches are filled up to one of these: the provider prepares every convolution anew at each size it has not
# met (onnxruntime#23006: 500 ms in the place of 30).
BOUND_ROWS = (1, 8, 32, 64)
FLOAT32 = "tensor(float)"  # as a session names it
LARGE_BYTES = 256 << 20  # of an input on the CPU: 22 megapixels


class OrtEngine:
    """Contract: `of3.engines.base.Engine`.

    Runs side by side, of one thread each, keep every core busy where one run of many threads waits for the
    last of them after each node (measured with the decoders beside them: 1.17 times the pictures a second on
    two cores); one run of all threads is the shortest way for one batch.
    """

    max_batch = BOUND_ROWS[-1]

    def __init__(
        self,
        bundle: Bundle,
        model: str,
        device: str,
        precision: str,
        threads: CpuThreads,
        tf32: bool = False,
        provider: Provider | None = None,
    ):
        """provider: a plugin's; the one built in for `device` where there is none."""
        onnxruntime = import_onnxruntime()
        card = bundle.model(model)
        if device == "cuda":
            check_cuda(onnxruntime)
        if precision not in card.files:
            raise EngineUnavailable(card.lacks(precision))
        self._card = card
        self._outputs = [output.name for output in card.outputs]
        # ValueError: of outputs that are not the card's; closed.
        self._errors: tuple[type[Exception], ...] = (*engine_errors(onnxruntime), ValueError)
        provider = provider or built_in(device, card, tf32)
        self.name = f"onnxruntime {onnxruntime.__version__} {provider.label} {precision}"
        options = _session_options(onnxruntime, threads)
        # Shapes that change: a plan of the memory for each that was seen would be kept, and followed in one
        # block: 3.4 GB for the second picture of 48 megapixels, where 1.9 do; no slower without, at any size.
        is_fixed = provider.name != PROVIDERS["cpu"] or not card.input.is_free
        options.enable_mem_pattern = is_fixed
        self._opened = partial(_open, onnxruntime, card, precision, provider, options)
        self._session: Any = self._opened()  # None once it is closed
        self._options, self._is_fixed = options, is_fixed
        self._large: Any = None
        self._opening = threading.Lock()
        self._workers = threads.workers if device == "cpu" else None
        self.max_in_flight = (
            threads.parallel_runs + 2 if self._workers else 1
        )  # two in the queue, so that no thread waits
        self._bindings = None
        if device == "cuda" and not card.input.is_free:
            self._bindings = Bindings(onnxruntime, self._session, card, device)

    def start(self, batch: Floats) -> Wait:
        self._card.input.check(batch)
        return begun(self.run, batch, self._workers)

    def run(self, batch: Floats) -> Outputs:
        self._card.input.check(batch)
        try:
            if self._bindings is not None:
                return self._bindings.run(batch)
            session = self._session_for(batch)
            if session is None:
                raise ValueError("closed")  # on another thread, where it broke
            values = session.run(self._outputs, {self._card.input.name: batch})
            outputs = dict(zip(self._outputs, values, strict=True))
            self._card.check_outputs(len(batch), outputs)
        except self._errors as error:
            raise self._broken(batch, error) from error
        return outputs

    def _session_for(self, batch: Floats) -> Any:
        """A large batch's memory is given back after it, where an arena keeps it and takes half as much again.

        Of 48 megapixels 1.2 GB instead of 1.9; one of 12 is 1.7 times as fast with the arena.
        """
        if self._is_fixed or batch.nbytes <= LARGE_BYTES:
            return self._session
        with self._opening:
            if self._large is None:
                self._options.enable_cpu_mem_arena = False
                self._large = self._opened()
        return self._large

    def _broken(self, batch: Floats, error: Exception) -> BatchRefused | EngineFailed:
        """What an error means: where sizes are free, memory ran out because of this picture's."""
        if self._card.input.is_free and is_out_of_memory(error):
            return BatchRefused(f"{self.name}: no memory for {batch.shape[3]}x{batch.shape[2]} pixels: {error}")
        return EngineFailed(f"{self.name}: {error}")

    def close(self) -> None:
        self._bindings = self._large = self._session = None


def _open(onnxruntime: Any, card: ModelCard, precision: str, provider: Provider, options: Any) -> Any:
    """A session whose first provider is the one asked for.

    Raises EngineUnavailable, and BundleError where the graph is not the card's.
    """
    content = read_graph(card.files[precision])
    for entry, value in provider.session.items():
        options.add_session_config_entry(entry, value)
    chosen = [] if provider.devices else [(provider.name, dict(provider.options))]
    try:
        if provider.devices:
            options.add_provider_for_devices(provider.devices, dict(provider.options))
        session = onnxruntime.InferenceSession(content, options, providers=chosen)
    except engine_errors(onnxruntime) as error:
        raise EngineUnavailable(f"{provider.name} does not open {card.name} {precision}: {error}") from error
    if session.get_providers()[0] != provider.name:
        raise EngineUnavailable(f"onnxruntime replaced {provider.name} by {session.get_providers()[0]}")
    for misfit in misfits(card, session.get_inputs(), session.get_outputs()):
        raise BundleError(f"{card.files[precision].path}: {misfit}: {REMEDY}")
    # Falling back is ours to do and to tell of; onnxruntime keeps the graph, 100 MB, for doing it itself.
    session.disable_fallback()
    session._model_bytes = None
    return session


def misfits(card: ModelCard, inputs: Sequence[Any], outputs: Sequence[Any]) -> Iterator[str]:
    """Every way in which the ends of a graph, as a session tells them, are not those of its card."""
    ends = [(card.input.name, card.input.shape)], [(output.name, output.shape) for output in card.outputs]
    for what, found, cards in zip(("inputs", "outputs"), (inputs, outputs), ends, strict=True):
        got, want = [end.name for end in found], [name for name, _ in cards]
        if got != want:
            yield f"the graph has {what} {', '.join(map(shown, got))}, bundle.json says {', '.join(want)}"
            continue
        for end, (name, shape) in zip(found, cards, strict=True):
            if (end.type, _sides(end.shape)) != (FLOAT32, _sides(shape)):
                said = f"bundle.json says {FLOAT32} {_sides(shape)}"
                yield f"{name} of the graph is {end.type} {_sides(end.shape)}, {said}"


def _sides(shape: Sequence[int | str | None]) -> list[int | str]:
    """A session tells a free side by a name of its own, or None."""
    return [side if isinstance(side, int) else "free" for side in shape]


def _session_options(onnxruntime: Any, threads: CpuThreads) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads.count
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only: its warnings speak of graph details
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if threads.spin else "0")
    return options


class Bindings:
    """Inputs and outputs that stay on the device, one set per size of BOUND_ROWS, so that no run allocates."""

    def __init__(self, onnxruntime: Any, session: Any, card: ModelCard, device: str):
        self._value = onnxruntime.OrtValue
        self._session, self._card, self._device = session, card, device
        self._sets: dict[int, tuple[Any, Any, dict[str, Any]]] = {}

    def run(self, batch: Floats) -> Outputs:
        """(N, ...), 64 at most -> outputs by name, copied to the host; those of the filling are thrown away."""
        rows = next(size for size in BOUND_ROWS if size >= len(batch))
        if rows not in self._sets:
            self._sets[rows] = self._bound(rows)
        binding, source, outputs = self._sets[rows]
        source.update_inplace(_filled(batch, rows))
        self._session.run_with_iobinding(binding)
        return {name: np.array(value.numpy()[: len(batch)]) for name, value in outputs.items()}

    def _bound(self, rows: int) -> tuple[Any, Any, dict[str, Any]]:
        binding = self._session.io_binding()
        source = self._empty((rows, *self._card.input.shape[1:]))
        binding.bind_ortvalue_input(self._card.input.name, source)
        outputs = {}
        for output in self._card.outputs:
            outputs[output.name] = self._empty((rows, *output.shape[1:]))
            binding.bind_ortvalue_output(output.name, outputs[output.name])
        return binding, source, outputs

    def _empty(self, shape: tuple[int | str, ...]) -> Any:
        return self._value.ortvalue_from_shape_and_type(list(shape), np.float32, self._device, 0)


def _filled(batch: Floats, rows: int) -> Floats:
    """The batch and, up to `rows`, its last row again, whose numbers are as usual as the others'."""
    if len(batch) < rows:
        batch = batch[np.minimum(np.arange(rows), len(batch) - 1)]
    return np.ascontiguousarray(batch)
