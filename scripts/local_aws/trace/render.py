"""A trace as text for a terminal: a line for each hop, inwards and back, and what passed there.

What a hop hands on as it got it is not repeated.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local_aws.trace import Hop

WIDTH = 100
_TIME = 9  # columns: milliseconds, and a space
_LINES = 3  # of a payload, before it is cut


def render(hop: Hop, *, bold: Callable[[str], str] = str, faint: Callable[[str], str] = str) -> str:
    """Return the hop and all in it, in `WIDTH` columns; `bold` and `faint` add colours."""
    return "\n".join([faint("ms since the request was sent"), *_Text(bold, faint).lines(hop, 0)])


class _Text:
    def __init__(self, bold: Callable[[str], str], faint: Callable[[str], str]) -> None:
        self._bold = bold
        self._faint = faint
        self._last = ""

    def lines(self, hop: Hop, depth: int) -> Iterator[str]:
        if not (hop.inner or hop.given or hop.gave):  # nothing passes it
            yield self._line(depth, "·", hop.began_ms, hop.name, f"{_took(hop)}: {hop.what}")
            return
        yield self._line(depth, "→", hop.began_ms, hop.name, hop.what)
        yield from self._payload(depth, hop.given)
        for inner in hop.inner:
            yield from self.lines(inner, depth + 1)
        yield self._line(depth, "←", hop.began_ms + hop.took_ms, hop.name, _took(hop))
        yield from self._payload(depth, hop.gave)

    def _line(self, depth: int, arrow: str, at_ms: float, name: str, text: str) -> str:
        indent = "  " * depth
        cut = _shortened(text, WIDTH - _TIME - len(indent) - len(name) - 4)
        return f"{at_ms:{_TIME - 1}.1f} {indent}{arrow} {self._bold(name)}  {cut}"

    def _payload(self, depth: int, payload: tuple[str, ...]) -> Iterator[str]:
        indent = " " * (_TIME + 2 * depth + 2)
        for text in payload:
            if text == self._last:
                lines = [f"the same {_size(text)}"]
            else:
                lines = _cut(text, WIDTH - len(indent))
            for line in lines:
                yield indent + self._faint(line)
        self._last = payload[-1] if payload else self._last


def _took(hop: Hop) -> str:
    took = f"took {hop.took_ms:.1f} ms"
    return f"{took}, {hop.own_ms:.1f} of them its own" if hop.inner else took


def _size(text: str) -> str:
    return f"{len(text.encode()):,} bytes"


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _cut(text: str, width: int) -> list[str]:
    """Return a text in lines; of a long one the first ones, and its size."""
    lines = textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)
    if len(lines) <= _LINES:
        return lines
    size = f" … {_size(text)}"
    return [*lines[: _LINES - 1], lines[_LINES - 1][: width - len(size)] + size]
