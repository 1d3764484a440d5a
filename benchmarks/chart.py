"""The chart, drawn by matplotlib in an environment of its own: FIGURES.json to CHART.svg."""

import json
import sys
from pathlib import Path
from statistics import median

import matplotlib as mpl  # type: ignore[import-not-found,unused-ignore]
from matplotlib import pyplot as plt  # type: ignore[import-not-found,unused-ignore]

OURS, VARIANT, REFERENCE, PEER = "#0b6e4f", "#86b8a5", "#8a8f98", "#c9cfd6"
figures = json.loads(Path(sys.argv[1]).read_text())
kinds = ["MySQL → PostgreSQL", "MySQL → MySQL"]
groups = [
    sorted(
        (turn for turn in figures["table"]["turns"] if turn["kind"] == kind and turn["seconds"]),
        key=lambda turn: -median(turn["seconds"]),
    )
    for kind in kinds
]
mpl.rcParams.update({"font.family": "DejaVu Sans", "font.size": 10, "svg.hashsalt": "bench"})
figure, panels = plt.subplots(
    2,
    1,
    figsize=(9, 0.42 * sum(map(len, groups)) + 2),
    height_ratios=[len(group) + 1 for group in groups],
    layout="constrained",
)
for panel, kind, group in zip(panels, kinds, groups, strict=True):
    middles = [median(turn["seconds"]) for turn in group]
    names = [turn["name"] for turn in group]
    colors = [
        OURS
        if name == "etl_pipeline"
        else VARIANT
        if name.startswith("etl_pipeline")
        else REFERENCE
        if "pair" in name
        else PEER
        for name in names
    ]
    spread = [
        [m - min(turn["seconds"]) for m, turn in zip(middles, group, strict=True)],
        [max(turn["seconds"]) - m for m, turn in zip(middles, group, strict=True)],
    ]
    panel.barh(names, middles, color=colors, xerr=spread, error_kw={"lw": 1, "ecolor": "#333"})
    for place, (m, turn) in enumerate(zip(middles, group, strict=True)):
        panel.text(max(turn["seconds"]), place, f"  {m:.1f} s", va="center")
    panel.set_title(f"{kind}: {figures['rows']:,} rows, seconds, less is better", loc="left")
    panel.spines[["top", "right"]].set_visible(False)
    longest = max((max(turn["seconds"]) for turn in group), default=1.0)  # none took part: --only
    panel.set_xlim(0, longest * 1.12)
    for label in panel.get_yticklabels():
        if label.get_text() == "etl_pipeline":
            label.set_fontweight("bold")
figure.savefig(sys.argv[2], metadata={"Date": None})
