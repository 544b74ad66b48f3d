"""A model cut in two: a body on any engine, and the head after it in float32 on onnxruntime's CPU provider."""

from collections.abc import Sequence
from dataclasses import replace

from of3.engines.base import CpuThreads, Engine, EngineUnavailable, Floats, Outputs, Wait, begun
from of3.engines.bundle import Bundle, Cut, Head, ModelCard, OutputCard
from of3.engines.ort import OrtEngine


def cut_of(card: ModelCard) -> Cut:
    """Raises EngineUnavailable where the bundle does not say what of the model must stay float32."""
    if card.cut is None:
        raise EngineUnavailable(
            f"the bundle says not what of {card.name} must stay fp32, it was made before that: "
            "run `of3 export --force`"
        )
    return card.cut


def body_of(bundle: Bundle, model: str, precision: str) -> Bundle:
    """The bundle with the body in the place of `model`, to be run in `precision`."""
    card = bundle.model(model)
    cut = cut_of(card)
    outputs = card.outputs
    if cut.head is not None:
        outputs = (*_others(card, cut.head), cut.head.joint)
    fed = replace(card, outputs=outputs, files={precision: cut.body})
    return replace(bundle, models={model: fed})


def _others(card: ModelCard, head: Head) -> Sequence[OutputCard]:
    return [output for output in card.outputs if output.name not in head.outputs]


def _head_of(bundle: Bundle, model: str, head: Head) -> Bundle:
    card = bundle.model(model)
    fed = replace(
        card,
        input=replace(card.input, name=head.joint.name, shape=head.joint.shape),
        outputs=tuple(output for output in card.outputs if output.name in head.outputs),
        files={"fp32": head.file},
    )
    return replace(bundle, models={model: fed})


class Joined:
    """Contract: `of3.engines.base.Engine`.  One engine to whoever runs it, with the outputs of the card."""

    def __init__(self, bundle: Bundle, model: str, head: Head, body: Engine, threads: CpuThreads):
        """body: an open engine on `body_of` the model; it is closed with this one."""
        self._card, self._joint = bundle.model(model), head.joint.name
        self._body = body
        alone = replace(threads, workers=None)  # it runs on the thread that its body ran on
        self._head = OrtEngine(_head_of(bundle, model, head), model, "cpu", "fp32", alone)
        self._workers = threads.workers
        self.name = f"{body.name}, its head in fp32"
        self.max_batch = body.max_batch
        self.max_in_flight = body.max_in_flight

    def start(self, batch: Floats) -> Wait:
        self._card.input.check(batch)
        return begun(self.run, batch, self._workers)

    def run(self, batch: Floats) -> Outputs:
        found = dict(self._body.run(batch))
        found.update(self._head.run(found.pop(self._joint)))
        return {output.name: found[output.name] for output in self._card.outputs}

    def close(self) -> None:
        self._body.close()
        self._head.close()


def completed(bundle: Bundle, model: str, body: Engine, threads: CpuThreads) -> Engine:
    """`body`, which runs `body_of` the model, with the head where there is one."""
    head = cut_of(bundle.model(model)).head
    return body if head is None else Joined(bundle, model, head, body, threads)
