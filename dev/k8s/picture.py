"""Draws what the dashboard shows of the last seconds, panel by panel, without Grafana.

    picture.py PROMETHEUS DASHBOARD SECONDS FILE
"""

import json
import re
import sys
import time
import urllib.parse
import urllib.request

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

# Grafana's grid has 24 columns; inches of one cell of it.
WIDTH, HEIGHT = 0.75, 0.42
PAPER, PANEL, INK, FAINT = "#f4f5f5", "#ffffff", "#24292e", "#8b9198"
UNITS = {"s": "seconds"}


def series(prometheus, expression, start, end):
    """What a query gives between two times: a legend's labels, and the points."""
    asked = {"query": expression.replace("$__rate_interval", "15s"), "start": start, "end": end, "step": 1}
    with urllib.request.urlopen(prometheus + "/api/v1/query_range?" + urllib.parse.urlencode(asked)) as answer:
        for one in json.load(answer)["data"]["result"]:
            yield one["metric"], [(float(at) - start, float(value)) for at, value in one["values"]]


def legend(target, labels):
    named = re.sub(r"{{\s*(\w+)\s*}}", lambda found: labels.get(found[1], ""), target.get("legendFormat", ""))
    return named or ", ".join(labels.values())


def draw(axes, panel, prometheus, start, end):
    axes.set_facecolor(PANEL)
    unit = UNITS.get(panel["fieldConfig"]["defaults"].get("unit"))
    axes.set_title(panel["title"] + (f" ({unit})" if unit else ""), loc="left", fontsize=9, color=INK)
    drawn = False
    for target in panel["targets"]:
        for labels, points in series(prometheus, target["expr"], start, end):
            axes.plot(*zip(*points), linewidth=1.4, label=legend(target, labels))
            drawn = True
    axes.set_xlim(0, end - start)
    # Room for the legend above the lines.
    axes.set_ylim(0, 1.35 * max(axes.get_ylim()[1], 1e-9))
    axes.tick_params(labelsize=7, colors=FAINT)
    axes.grid(color="#e6e8ea", linewidth=0.6)
    for side in axes.spines.values():
        side.set_visible(False)
    if drawn:
        axes.legend(fontsize=6.5, frameon=False, loc="upper left", ncols=2)
    else:
        axes.text(0.5, 0.5, "of a cluster only", transform=axes.transAxes, ha="center", color=FAINT, fontsize=9)


def main(prometheus, dashboard, seconds, file):
    with open(dashboard) as text:
        panels = json.load(text)["panels"]
    end = time.time()
    start = end - float(seconds)
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    figure = plt.figure(figsize=(24 * WIDTH, rows * HEIGHT), facecolor=PAPER)
    for panel in panels:
        x, y, w, h = (panel["gridPos"][key] for key in "xywh")
        left, top = x / 24, 1 - y / rows
        if panel["type"] == "row":
            figure.text(left + 0.01, top - h / rows, panel["title"], fontsize=11, weight="bold", color=INK)
            continue
        # Room for the title above and the numbers around.
        box = (left + 0.03, top - (h - 0.9) / rows, w / 24 - 0.045, (h - 2) / rows)
        draw(figure.add_axes(box), panel, prometheus, start, end)
    figure.savefig(file, dpi=80)
    print(f"drawn: {file}")


if __name__ == "__main__":
    main(*sys.argv[1:])
