"""The application: `uvicorn inference.app:app` serves it on any machine."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from inference.health import report_health
from inference.http import LogRequests, answer_errors
from inference.model import PhishingModel, load_model
from inference.requests import InferenceAnswer, InferenceRequest, Judgement, ModelName, Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_PACKAGE = Path(__file__).parents[1]


@cache
def model() -> PhishingModel:
    """The model, loaded when it is first asked for: whoever starts the application asks."""
    return load_model()


@asynccontextmanager
async def _load_model_first(_app: FastAPI) -> AsyncIterator[None]:
    model()
    yield


# Without redirects: API Gateway's routes are exact, so /inference and /inference/ are both there.
app = FastAPI(title="Phishing URLs", lifespan=_load_model_first, redirect_slashes=False)
app.add_middleware(LogRequests)
answer_errors(app)


# Endpoints are coroutines though nothing in them waits: FastAPI sends plain functions through a
# thread pool, which costs more than the answer does.
@app.post("/inference")
@app.post("/inference/", include_in_schema=False)
async def judge(request: InferenceRequest) -> InferenceAnswer:
    """How likely each URL is to be phishing, judged by its text alone: nothing is fetched."""
    judge = model()
    asked = request.asked()
    return InferenceAnswer(
        model=ModelName(version=judge.version, threshold=judge.threshold),
        results=[
            Judgement(
                url=url.text,
                probability=round(score, 4),
                verdict=Verdict.PHISHING if score >= judge.threshold else Verdict.NOT_PHISHING,
            )
            for url, score in zip(asked, judge.score(asked), strict=True)
        ],
    )


@app.get("/inference/health")
async def health() -> dict[str, Any]:
    """What runs here, in versions."""
    return report_health(model(), os.environ, package=_PACKAGE)


@app.get("/inference/model")
async def card() -> dict[str, Any]:
    """The model card: data, split, what the model is worth, and what it cannot do."""
    return dict(model().card)
