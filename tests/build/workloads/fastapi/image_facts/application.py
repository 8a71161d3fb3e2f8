"""The application: an image comes in as a form's file, its facts go out."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import boto3
from fastapi import FastAPI, HTTPException, UploadFile
from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel

from image_facts.settings import settings

application = FastAPI(title="Image facts")


class ImageFacts(BaseModel):
    """What can be said of an image without looking at it."""

    format: str
    width: int
    height: int


@application.post("/images/{name}")
async def keep(name: str, image: UploadFile) -> ImageFacts:
    """Keep an image in the bucket, and return its facts."""
    data = await image.read(settings().largest_image_bytes + 1)
    if len(data) > settings().largest_image_bytes:
        raise HTTPException(413, "The image is too large.")
    try:
        with Image.open(io.BytesIO(data)) as opened:
            facts = ImageFacts(format=str(opened.format), width=opened.width, height=opened.height)
    except UnidentifiedImageError:
        raise HTTPException(422, "That is no image.") from None
    _s3().put_object(Bucket=settings().bucket, Key=name, Body=data)
    return facts


@cache
def _s3() -> Any:
    return boto3.client("s3")
