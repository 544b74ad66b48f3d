"""Pictures by HTTP -> what their faces show: `python examples/service.py BUNDLE [--port 8000] [--detect]`.

    curl --data-binary @a.jpg http://127.0.0.1:8000/analyse

POST /analyse  a picture's bytes -> {"emotion": ..., "aus": ...}.  422 and the reason where it has no record,
               413 where it is larger than --max_mb, 429 where --waiting pictures wait already: come again
GET /health    200 while pictures are analysed, 503 and why once they no longer are
GET /metrics   counts and times, as Prometheus reads them

Requests that come while others are at work are analysed beside them, in batches.  `pip install 'of3[service]'`
"""

import argparse
import asyncio
import queue
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse

import of3

Result = of3.Record | of3.Failure


class Batcher:
    """A thread that has the pipeline to itself; what comes while it works joins the call that is under way."""

    def __init__(self, pipeline: of3.Pipeline, waiting: int):
        self._pipeline = pipeline
        self._waiting = queue.Queue[tuple[bytes, Future[Result]] | None](waiting)
        self._is_ending = False
        self.error: of3.Error | None = None  # why no picture is analysed any more
        self.counts = Counter[str]()
        self._thread = threading.Thread(target=self._work, name="of3-batcher", daemon=True)
        self._thread.start()

    def put(self, picture: bytes) -> Future[Result]:
        """Raises queue.Full."""
        future = Future[Result]()
        self._waiting.put_nowait((picture, future))
        return future

    def __len__(self) -> int:
        return self._waiting.qsize()

    def _work(self) -> None:
        while not self._is_ending:
            begun = set[Future[Result]]()
            asked = self._asked(begun)
            try:
                for future, result in self._pipeline.run_keyed(asked):
                    begun.remove(future)
                    future.set_result(result)
                    self.counts["pictures"] += 1
            except of3.Error as error:  # no picture's doing
                self.error = error
                for future in begun.union(future for future, _ in asked):  # who is at work, and who waits
                    future.set_exception(error)
            self.counts["calls"] += 1

    def _asked(self, begun: set[Future[Result]]) -> Iterator[tuple[Future[Result], bytes]]:
        """What waits, until nothing does, without whose clients have gone; the first is waited for."""
        each = self._waiting.get()
        while each is not None:
            picture, future = each
            if future.set_running_or_notify_cancel():
                begun.add(future)
                yield future, picture
            try:
                each = self._waiting.get_nowait()
            except queue.Empty:
                return
        self._is_ending = True

    def close(self) -> None:
        """Once nobody asks any more."""
        self._waiting.put(None)
        self._thread.join()


def answer(result: Result) -> JSONResponse:
    if isinstance(result, of3.Failure):
        return JSONResponse({"stage": result.stage, "reason": result.reason}, 422)
    return JSONResponse(
        {
            "emotion": result.emotion,
            "probabilities": result.probabilities,
            "gaze_rad": result.gaze_rad,
            "aus": {f"AU{unit}": value for unit, value in result.aus.items()},
            "box": result.box,
            "confidence": result.confidence,
        }
    )


async def body_of(request: Request, most_bytes: int) -> bytes | None:
    """None where it is larger: what is beyond is not read."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most_bytes:
            return None
    return bytes(body)


def service(pipeline: of3.Pipeline, waiting: int, most_bytes: int) -> FastAPI:
    """waiting: pictures that may wait, beyond those at work.  most_bytes: of a picture."""
    batcher = Batcher(pipeline, waiting)
    statuses, seconds = Counter[int](), {"sum": 0.0}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None, None]:
        yield
        batcher.close()

    app = FastAPI(title="of3", lifespan=lifespan)

    async def analysed(request: Request) -> JSONResponse:
        picture = await body_of(request, most_bytes)
        if picture is None:
            return JSONResponse({"reason": f"want at most {most_bytes} bytes"}, 413, {"Connection": "close"})
        try:
            future = batcher.put(picture)
        except queue.Full:
            return JSONResponse({"reason": f"{waiting} pictures wait already"}, 429, {"Retry-After": "1"})
        try:
            return answer(await asyncio.wrap_future(future))
        except of3.Error as error:
            return JSONResponse({"reason": str(error)}, 503)

    @app.post("/analyse")
    async def analyse(request: Request) -> JSONResponse:
        start = time.perf_counter()
        said = await analysed(request)
        statuses[said.status_code] += 1
        seconds["sum"] += time.perf_counter() - start
        return said

    @app.get("/health")
    async def health() -> JSONResponse:
        said = "" if batcher.error is None else str(batcher.error)
        return JSONResponse({"error": said, "waiting": len(batcher)}, 503 if said else 200)

    @app.get("/metrics")
    async def metrics() -> PlainTextResponse:
        counts = batcher.counts
        lines = [f'of3_requests_total{{status="{status}"}} {count}' for status, count in statuses.items()]
        lines += [
            f"of3_request_seconds_sum {seconds['sum']:.6f}",
            f"of3_request_seconds_count {statuses.total()}",
        ]
        lines += [f"of3_{name}_total {counts[name]}" for name in ("calls", "pictures")]
        return PlainTextResponse("\n".join([*lines, f"of3_waiting {len(batcher)}", ""]))

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--detect", action="store_true", help="find the face first (a picture is a face)")
    parser.add_argument("--waiting", type=int, default=64, help="pictures that may wait (64)")
    parser.add_argument("--max_mb", type=float, default=10.0, help="of a picture (10)")
    given = parser.parse_args()
    with of3.Pipeline.open(given.bundle, of3.Settings(detect=given.detect)) as pipeline:
        app = service(pipeline, given.waiting, int(given.max_mb * 1e6))
        uvicorn.run(app, host=given.host, port=given.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
