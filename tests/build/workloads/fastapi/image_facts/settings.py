"""The application's settings, from its environment."""

from functools import cache

from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    """What is set from outside."""

    bucket: str
    largest_image_bytes: int = 5_000_000


@cache
def settings() -> Settings:
    """Return the settings, read on first use."""
    return Settings()
