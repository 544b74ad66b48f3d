"""How a TensorRT engine makes its execution contexts, and the kernels that TensorRT for RTX compiles for them.

TensorRT for RTX compiles for the GPU at hand when a plan runs.  By default it begins with kernels that fit any
shape and puts better ones in their place later: a CUDA graph recorded before that would keep the first.  So
those of a fixed-size network are compiled at once, and kept beside the plan for the next process; of a
detector, whose every size would be compiled anew, none are.
"""

import logging
from pathlib import Path
from typing import Any

from of3.engines.base import EngineUnavailable
from of3.engines.trt import plan_file

log = logging.getLogger(__name__)

SUFFIX = ".kernels"  # beside NAME.plan
MAX_BYTES = 1 << 30


class Contexts:
    """Execution contexts of one engine, whose memory is its user's to give."""

    def __init__(self, trt: Any, engine: Any, is_free: bool, plan: Path):
        """trt: the module that made `engine`.  plan: its file."""
        self._trt, self._engine, self._path = trt, engine, plan.with_suffix(SUFFIX)
        self._config, self._cache, self._kept = None, None, b""
        if hasattr(trt, "IRuntimeCache"):  # TensorRT for RTX
            self._config = self._configured(is_free)

    def _configured(self, is_free: bool) -> Any:
        config, trt = self._engine.create_runtime_config(), self._trt
        config.set_execution_context_allocation_strategy(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        compiled = trt.DynamicShapesKernelSpecializationStrategy
        config.dynamic_shapes_kernel_specialization_strategy = compiled.NONE if is_free else compiled.EAGER
        cache = config.create_runtime_cache()
        try:
            self._kept = plan_file.read_safely(self._path, MAX_BYTES)
        except EngineUnavailable as error:
            log.debug("no kernels kept: %s", error)
        if self._kept and not cache.deserialize(self._kept):
            log.debug("%s: of another GPU, driver or release: compiled anew", self._path)
        config.set_runtime_cache(cache)
        self._cache = cache
        return config

    def make(self) -> Any:
        """A new context; None where TensorRT has none to give."""
        if self._config is not None:
            return self._engine.create_execution_context(self._config)
        return self._engine.create_execution_context(self._trt.ExecutionContextAllocationStrategy.USER_MANAGED)

    def keep(self) -> None:
        """Write what was compiled beside the plan; where that cannot be, the next process compiles again."""
        made = self._cache.serialize() if self._cache is not None else None
        content = b"" if made is None else bytes(made)
        if content in (b"", self._kept):
            return
        try:
            plan_file.write_private(self._path, content)
        except OSError as error:
            log.debug("kernels not kept: %s", error)
        self._kept = content
