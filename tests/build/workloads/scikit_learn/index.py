"""Says over HTTP which kind of iris has these measures."""

from __future__ import annotations

from functools import cache

import numpy as np
from fastapi import FastAPI
from mangum import Mangum
from pydantic import BaseModel
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

application = FastAPI(title="Iris")


class Flower(BaseModel):
    """A flower's measures, in cm."""

    sepal_length: float
    sepal_width: float
    petal_length: float
    petal_width: float


@application.post("/iris")
def classify(flower: Flower) -> dict[str, str]:
    """Return the kind of iris that the measures are most like."""
    measures = np.array([list(flower.model_dump().values())])
    return {"kind": _KINDS[int(_model().predict(measures)[0])]}


_KINDS = ("setosa", "versicolor", "virginica")


@cache
def _model() -> RandomForestClassifier:
    samples, kinds = load_iris(return_X_y=True)
    return RandomForestClassifier(random_state=0).fit(samples, kinds)


handler = Mangum(application, lifespan="off")
