"""The service's addresses: /score, /health, /metrics, and /docs with the OpenAPI page of FastAPI."""

import asyncio
import base64
import binascii
import hmac
import json
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI, HTTPException, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.concurrency import run_in_threadpool

from imaginet_core.pictures.sources import PictureError, fetch
from imaginet_tools.inference.saved_detector import SavedDetector
from imaginet_tools.inference.service.answer import answer_of, hash_of
from imaginet_tools.inference.service.batches import Batcher, QueueFull
from imaginet_tools.inference.service.reasons import MapsFull, Reasons

BODIES = "the picture's bytes (image/* or application/octet-stream), multipart/form-data with a file, or JSON with image (base64) or url"


@dataclass(frozen=True)
class ServiceOptions:
    """What the service allows.

    Attributes:
        seconds: for a request, from its last byte to its answer; then 504.
        queue: pictures that may wait; then 429.
        urls: whether pictures may be named by http(s) address, which the service then fetches itself; never from private addresses.
        token: that every request for a score must bring as "Authorization: Bearer TOKEN"; None for none.
        readers: threads that decode pictures.
        map_pixels: of the largest picture that a heat map is computed of.
    """

    seconds: float = 30.0
    queue: int = 256
    urls: bool = False
    token: str | None = None
    readers: int = 2
    map_pixels: int = 2**24


class _Figures:
    """What /metrics tells, of one service."""

    def __init__(self):
        self.registry = CollectorRegistry()
        self.requests = Counter("imaginet_requests", "Requests for a score by HTTP status.", ["status"], registry=self.registry)
        self.seconds = Histogram("imaginet_request_seconds", "Seconds from a request to its answer.", registry=self.registry)
        sizes = (1, 2, 4, 8, 16, 32, 64)
        self.batches = Histogram("imaginet_batch_pictures", "Pictures of a batch.", buckets=sizes, registry=self.registry)
        self.waiting = Gauge("imaginet_waiting_pictures", "Pictures that wait to be scored.", registry=self.registry)
        self.outcomes = Counter("imaginet_outcomes", "Answers by outcome.", ["outcome"], registry=self.registry)


def make_app(detector: SavedDetector, options: ServiceOptions = ServiceOptions()) -> FastAPI:
    """The service of a detector; its ``limits`` hold for bytes and pixels."""
    figures = _Figures()
    batcher = Batcher(detector.scores_of_prepared, detector.batch_size, options.queue, seen=figures.batches.observe)
    readers = ThreadPoolExecutor(options.readers, thread_name_prefix="read")
    reasons = Reasons(detector, options.seconds, options.map_pixels)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        yield
        await batcher.stop()
        readers.shutdown()
        reasons.close()

    app = FastAPI(title="ImagiNet detector", description=f"Scores pictures with {detector.name}.", lifespan=lifespan)
    figures.waiting.set_function(batcher.waiting.qsize)

    @app.post("/score", openapi_extra=_REQUEST_BODY, summary=f"Scores one picture: {BODIES}")
    async def score(request: Request, heatmap: bool = False, provenance: bool = True) -> dict:
        _check_token(request, options.token)
        content = await _content(request, detector.limits, options.urls)
        if heatmap:
            _check_maps(reasons)
        stated = asyncio.create_task(reasons.provenance(content)) if provenance else None
        try:
            async with asyncio.timeout(options.seconds):
                prepared = await asyncio.get_running_loop().run_in_executor(readers, detector.prepare, content, "the picture")
                if prepared.error is not None:
                    raise HTTPException(422, prepared.error)
                answers, number = await batcher.answer(prepared)
                seen = {"heat_map": await reasons.heat_map(content)} if heatmap else {}
                told = {"provenance": await stated} if provenance else {}
        except TimeoutError:
            raise HTTPException(504, f"The picture was not scored within {options.seconds:g} seconds; try again later.") from None
        except (QueueFull, MapsFull):
            raise HTTPException(429, "Too many pictures wait to be scored; try again later.", {"Retry-After": "1"}) from None
        except PictureError as error:
            raise HTTPException(422, f"No heat map: {error}") from None
        finally:
            if stated is not None:
                stated.cancel()  # nobody asks for it any more
        answer = answer_of(detector, answers, number)
        figures.outcomes.labels(answer["outcome"]).inc()
        return hash_of(content) | answer | told | seen

    @app.middleware("http")
    async def count(request: Request, call_next) -> Response:
        began = time.perf_counter()
        response = await call_next(request)
        if request.url.path == "/score":
            figures.requests.labels(response.status_code).inc()
            figures.seconds.observe(time.perf_counter() - began)
        return response

    @app.get("/health", summary="Whether the service answers, and with which model")
    async def health() -> dict:
        network = detector.network
        return {"status": "ok", "model": detector.name, "fingerprint": network.settings.fingerprint, "engine": network.engine}

    @app.get("/metrics", summary="Figures for Prometheus")
    async def metrics() -> Response:
        return Response(generate_latest(figures.registry), media_type=CONTENT_TYPE_LATEST)

    return app


_REQUEST_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {"schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}},
            "application/json": {"schema": {"type": "object", "properties": {"image": {"type": "string"}, "url": {"type": "string"}}}},
        },
    }
}


def _check_token(request: Request, token: str | None) -> None:
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if token is not None and not hmac.compare_digest(given.encode(), token.encode()):
        raise HTTPException(401, "This service wants a token: Authorization: Bearer TOKEN.", {"WWW-Authenticate": "Bearer"})


def _check_maps(reasons: Reasons) -> None:
    try:
        reasons.check_maps()
    except ValueError as error:
        raise HTTPException(422, str(error)) from None


async def _content(request: Request, limits, urls: bool) -> bytes:
    """The picture's file out of a request, whose body is never read beyond the limit of bytes."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _file_of_form(request, limits.bytes)
    if kind == "application/json":
        return await _content_of_json(await _body(request, limits.bytes * 4 // 3 + 1000), limits, urls)
    if kind and kind != "application/octet-stream" and not kind.startswith("image/"):
        raise HTTPException(415, f"Send {BODIES}; not {kind}.")
    content = await _body(request, limits.bytes)
    if not content:
        raise HTTPException(400, f"The request is empty; send {BODIES}.")
    return content


async def _body(request: Request, most: int) -> bytes:
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > most:
            raise HTTPException(413, f"The request is larger than the limit of {most:,} bytes; send a smaller picture.")
    return bytes(content)


async def _file_of_form(request: Request, most: int) -> bytes:
    length = request.headers.get("content-length", "")
    if not length.isdecimal():
        raise HTTPException(411, "A form needs a Content-Length.")
    if int(length) > most + 10_000:  # the form's own lines
        raise HTTPException(413, f"The request is larger than the limit of {most:,} bytes; send a smaller picture.")
    async with request.form(max_files=1, max_fields=10) as form:
        files = [value for value in form.values() if hasattr(value, "read")]
        if not files:
            raise HTTPException(400, "The form holds no file.")
        return await files[0].read()


async def _content_of_json(body: bytes, limits, urls: bool) -> bytes:
    try:
        given = json.loads(body)
    except ValueError:
        raise HTTPException(400, "The body is no JSON.") from None
    image, url = (given.get(name) for name in ("image", "url")) if isinstance(given, dict) else (None, None)
    if isinstance(image, str):
        try:
            return base64.b64decode(image.partition(",")[2] if image.startswith("data:") else image, validate=True)
        except (binascii.Error, ValueError):
            raise HTTPException(400, "image is no base64.") from None
    if not isinstance(url, str):
        raise HTTPException(400, 'The JSON must hold "image" (base64) or "url".')
    if not urls:
        raise HTTPException(403, "This service fetches no addresses; send the picture itself, or start it with --urls.")
    try:
        return await run_in_threadpool(fetch, url, limits)
    except PictureError as error:
        raise HTTPException(422, str(error)) from None
