"""Draws the benchmark: _plot.py BUILD.json FILE.svg, run by a Python that has matplotlib."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

_SCENARIOS = ("clean cache", "warm cache", "no-op", "one changed line")
_OURS, _OURS_BYTECODE = "#1b6ca8", "#7fb2d9"
_PEERS = ("#c9a227", "#a9714b", "#8a8a8a", "#b0b7bd")


def _main(results: str, *outputs: str) -> None:
    import matplotlib as mpl  # type: ignore[import-not-found]  # noqa: PLC0415 - not in this environment

    mpl.use("Agg")
    # Text stays text, and the same data gives the same file.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "build", "font.size": 10})
    from matplotlib import pyplot as plt  # noqa: PLC0415

    workloads: list[dict[str, Any]] = json.loads(Path(results).read_text("utf-8"))["workloads"]
    figure, rows = plt.subplots(
        len(workloads), 1, figsize=(10, 3.6 * len(workloads)), squeeze=False, layout="constrained"
    )
    for axes, workload in zip(rows[:, 0], workloads, strict=True):
        _draw(axes, workload)
    handles, labels = rows[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    for output in outputs:
        figure.savefig(output, metadata={"Date": None} if output.endswith(".svg") else None, dpi=80)


def _draw(axes: Any, workload: dict[str, Any]) -> None:
    tools: dict[str, Any] = workload["tools"]
    width = 0.84 / len(tools)
    peers = iter(_PEERS)
    for place, (name, tool) in enumerate(tools.items()):
        colour = _OURS if "no bytecode" in name else _OURS_BYTECODE
        colour = colour if name.startswith("lambda-build") else next(peers)
        walls = [[run["wall_s"] for run in tool["times"].get(each, [])] for each in _SCENARIOS]
        medians = [statistics.median(each) if each else 0 for each in walls]
        spread = [
            [median - min(each, default=0) for median, each in zip(medians, walls, strict=True)],
            [max(each, default=0) - median for median, each in zip(medians, walls, strict=True)],
        ]
        at = [scenario + (place + 0.5) * width - 0.42 for scenario in range(len(_SCENARIOS))]
        bars = axes.bar(at, medians, width * 0.92, yerr=spread, label=name, color=colour, capsize=2)
        labels = [f"{each:.2f}" if each < 10 else f"{each:.0f}" for each in medians]  # noqa: PLR2004
        axes.bar_label(bars, labels=labels, padding=3, fontsize=8)
    axes.set_title(f"{workload['name']}: seconds to build the ZIP (logarithmic)", loc="left")
    axes.set_xticks(range(len(_SCENARIOS)), _SCENARIOS)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g} s")
    axes.margins(y=0.12)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    _main(*sys.argv[1:])
