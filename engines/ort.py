"""An ONNX graph on one onnxruntime provider."""

from collections.abc import Mapping
from typing import Any

from of3.engines.base import EngineUnavailable, Floats
from of3.engines.bundle import Bundle

PROVIDERS = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}
INSTALL = "pip install 'of3[cpu]' (or 'of3[gpu]' on a machine with CUDA, never both)"


def import_onnxruntime() -> Any:
    """The onnxruntime module.  Raises EngineUnavailable naming the extra to install."""
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineUnavailable(f"onnxruntime cannot be imported ({error}): {INSTALL}") from error
    return onnxruntime


def open_errors(onnxruntime: Any) -> tuple[type[Exception], ...]:
    """What InferenceSession raises: a kernel or library that is missing, a graph it does not take."""
    state = onnxruntime.capi.onnxruntime_pybind11_state
    names = ("EPFail", "Fail", "InvalidArgument", "InvalidGraph", "NotImplemented", "RuntimeException")
    return tuple(getattr(state, name) for name in names)


class OrtEngine:
    """Contract: `of3.engines.base.Engine`.

    threads: size of the session's intra-op pool.
    spin: whether idle pool threads busy-wait.  Several spinning pools in one process fight for the same
    cores (measured: 12 ms became 20-50 ms a batch), so only the busiest session should.
    """

    max_batch = 64

    def __init__(self, bundle: Bundle, model: str, device: str, precision: str, threads: int, spin: bool):
        onnxruntime = import_onnxruntime()
        provider = PROVIDERS[device]
        if provider not in onnxruntime.get_available_providers():
            raise EngineUnavailable(
                f"onnxruntime {onnxruntime.__version__} as installed has no {provider}: "
                "on a machine with CUDA, pip uninstall onnxruntime and pip install 'of3[gpu]'"
            )
        card = bundle.model(model)
        if precision not in card.files:
            raise EngineUnavailable(f"the bundle holds {model} as {', '.join(card.files)}, not {precision}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only: its warnings speak of graph details
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spin else "0")
        content = card.files[precision].read()
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=[provider])
        except open_errors(onnxruntime) as error:
            raise EngineUnavailable(f"{provider} does not open {model} {precision}: {error}") from error
        if self._session.get_providers()[0] != provider:
            raise EngineUnavailable(f"onnxruntime replaced {provider} by {self._session.get_providers()[0]}")
        self._card = card
        self._outputs = [output.name for output in card.outputs]
        self.name = f"onnxruntime {onnxruntime.__version__} {device.upper()} {precision}"

    def run(self, batch: Floats) -> Mapping[str, Floats]:
        self._card.input.check(batch)
        values = self._session.run(self._outputs, {self._card.input.name: batch})
        return dict(zip(self._outputs, values, strict=True))

    def close(self) -> None:
        del self._session
