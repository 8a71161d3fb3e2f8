"""The guides: what they link to is there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LINK = re.compile(r"\]\((?!https?://)([^)#]*)(?:#([^)]*))?\)")


def test_every_link_leads_to_a_file_and_a_heading(project: Path) -> None:
    guides = sorted((project / "docs" / "guides").glob("*.md"))
    broken = [
        f"{guide.name}: {match[0]}"
        for guide in guides
        for match in _LINK.finditer(guide.read_text(encoding="utf-8"))
        if not leads(guide, match[1], match[2])
    ]

    assert guides
    assert broken == []


def leads(guide: Path, path: str, heading: str | None) -> bool:
    to = (guide.parent / path).resolve() if path else guide
    if not heading:
        return to.exists()
    # As GitHub makes an anchor of a heading.
    headings = re.findall(r"^#+ (.*)$", to.read_text(encoding="utf-8"), flags=re.MULTILINE)
    anchors = [re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings]
    return heading in anchors
