"""Pictures by HTTP -> what their faces show: `python examples/service.py BUNDLE [--port 8000] [--detect]`.
Requests that come while others are at work are analysed beside them, in batches.  `pip install 'of3[service]'`

    curl --data-binary @a.jpg http://127.0.0.1:8000/analyse

POST /analyse  a picture's bytes -> {"emotion": ..., "aus": ...}.  422 and the reason where it has no record,
               413 where it is larger than --max_mb, 408 where it is not here after --upload_s,
               429 where --waiting pictures wait already: come again
GET /health    200 while pictures are analysed, 503 and why once they are not, until one is again
GET /metrics   counts and times, as Prometheus reads them; status 499 is of who went away while sending
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
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.requests import ClientDisconnect

import of3

Result = of3.Record | of3.Failure
CLOSE = {"Connection": "close"}  # what is beyond is not read


class Batcher:
    """A thread that has the pipeline to itself; what comes while it works joins the call that is under way."""

    def __init__(self, pipeline: of3.Pipeline, waiting: int):
        self._pipeline = pipeline
        self.waiting = queue.Queue[tuple[bytes, Future[Result]] | None](waiting)
        self._is_ending = False
        self.error: Exception | None = None  # why no picture is analysed any more
        self.counts = Counter(calls=0, pictures=0)
        self._thread = threading.Thread(target=self._work, name="of3-batcher", daemon=True)
        self._thread.start()

    def put(self, picture: bytes) -> Future[Result]:
        """Raises queue.Full."""
        future = Future[Result]()
        self.waiting.put_nowait((picture, future))
        return future

    def _work(self) -> None:
        while not self._is_ending:
            begun = set[Future[Result]]()
            asked = self._asked(begun)
            try:
                for future, result in self._pipeline.run_keyed(asked):
                    begun.remove(future)
                    if isinstance(result, of3.Record):  # a Failure may come before any network runs
                        self.error = None
                    future.set_result(result)
                    self.counts["pictures"] += 1
            except Exception as error:  # noqa: BLE001 - no picture's doing, and no end of this thread
                self.error = error
                for future in begun.union(future for future, _ in asked):  # who is at work, and who waits
                    future.set_exception(error)
            self.counts["calls"] += 1

    def _asked(self, begun: set[Future[Result]]) -> Iterator[tuple[Future[Result], bytes]]:
        """What waits, until nothing does, without whose clients have gone; the first is waited for."""
        each = self.waiting.get()
        while each is not None:
            picture, future = each
            if future.set_running_or_notify_cancel():
                begun.add(future)
                yield future, picture
            try:
                each = self.waiting.get_nowait()
            except queue.Empty:
                return
        self._is_ending = True

    def close(self) -> None:
        """Once nobody asks any more."""
        self.waiting.put(None)
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


async def body_of(request: Request, most_bytes: int, upload_s: float) -> bytes | Response:
    """What is sent, or the answer to who sends too much, too slowly, or goes away."""
    body = bytearray()
    try:
        async with asyncio.timeout(upload_s):
            async for part in request.stream():
                body += part
                if len(body) > most_bytes:
                    return JSONResponse({"reason": f"want at most {most_bytes} bytes"}, 413, CLOSE)
    except TimeoutError:
        return JSONResponse({"reason": f"got {len(body)} bytes in {upload_s} s, want all"}, 408, CLOSE)
    except ClientDisconnect:
        return Response(status_code=499)  # nobody reads it; it is counted
    return bytes(body)


async def result_of(batcher: Batcher, picture: bytes) -> Response:
    try:
        return answer(await asyncio.wrap_future(batcher.put(picture)))
    except queue.Full:
        return JSONResponse({"reason": f"{batcher.waiting.maxsize} wait already"}, 429, {"Retry-After": "1"})
    except Exception as error:  # noqa: BLE001 - the batcher's
        return JSONResponse({"reason": str(error) or repr(error)}, 503)


def service(pipeline: of3.Pipeline, waiting: int, most_bytes: int, upload_s: float) -> FastAPI:
    """waiting: pictures that may wait, beyond those at work.  most_bytes, upload_s: of a picture."""
    batcher = Batcher(pipeline, waiting)
    statuses, seconds = Counter[int](), {"sum": 0.0}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None, None]:
        yield
        batcher.close()

    # Without FastAPI's own pages of documents, which load scripts from elsewhere.
    app = FastAPI(title="of3", version=of3.__version__, lifespan=lifespan, docs_url=None, redoc_url=None)

    @app.post("/analyse")
    async def analyse(request: Request) -> Response:
        start = time.perf_counter()
        try:
            body = await body_of(request, most_bytes, upload_s)
            said = body if isinstance(body, Response) else await result_of(batcher, body)
        except asyncio.CancelledError:  # by uvicorn, which ends and has waited for as long as `main` lets it
            said = JSONResponse({"reason": "the service ends"}, 503, CLOSE)
        statuses[said.status_code] += 1
        seconds["sum"] += time.perf_counter() - start
        return said

    @app.head("/health", include_in_schema=False)
    @app.get("/health")
    async def health() -> JSONResponse:
        said = "" if batcher.error is None else str(batcher.error) or repr(batcher.error)
        return JSONResponse({"error": said, "waiting": batcher.waiting.qsize()}, 503 if said else 200)

    @app.head("/metrics", include_in_schema=False)
    @app.get("/metrics")
    async def metrics() -> PlainTextResponse:
        said = [f'requests_total{{status="{status}"}} {count}' for status, count in statuses.items()]
        said += [f"request_seconds_sum {seconds['sum']}", f"request_seconds_count {statuses.total()}"]
        said += [f"{name}_total {count}" for name, count in batcher.counts.items()]
        said += [f"waiting {batcher.waiting.qsize()}"]
        return PlainTextResponse("".join(f"of3_{each}\n" for each in said))

    return app


def from_one(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"got {word}, want a whole number from 1 on")
    return int(word)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--detect", action="store_true", help="find the face first (a picture is a face)")
    parser.add_argument("--waiting", type=from_one, default=64, help="pictures that may wait (64)")
    parser.add_argument("--max_mb", type=from_one, default=10, help="of a picture, as it is sent (10)")
    parser.add_argument("--max_megapixels", type=from_one, default=25, help="of a picture, decoded (25)")
    parser.add_argument("--upload_s", type=from_one, default=30, help="that sending a picture may take (30)")
    given = parser.parse_args()
    settings = of3.Settings(detect=given.detect, max_pixels=given.max_megapixels * 10**6)
    try:
        pipeline = of3.Pipeline.open(given.bundle, settings)
    except (of3.Error, OSError) as error:
        parser.exit(1, f"{error}\n")
    with pipeline:
        app = service(pipeline, given.waiting, given.max_mb * 10**6, given.upload_s)
        uvicorn.run(app, host=given.host, port=given.port, log_level="warning", timeout_graceful_shutdown=10)


if __name__ == "__main__":
    main()
