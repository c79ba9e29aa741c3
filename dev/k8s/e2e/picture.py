"""Draws how `toggle` followed its load, from what the check `scale` saw.

    picture.py SAMPLES FILE
"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

INK, LINE = "#24292e", "#2563eb"


def main(samples, file):
    seen = json.loads(Path(samples).read_text())
    seconds = [one["seconds"] for one in seen["samples"]]
    counted = dict(map(tuple, seen["likes"]))
    likes = [(second - seen["began"], counted.get(second, 0)) for second in range(min(counted), max(counted) + 1)]
    figure, (load, cpu, pods) = plt.subplots(3, 1, sharex=True, figsize=(8, 6), constrained_layout=True)
    # Nothing was asked after the last like.
    load.plot([at for at, _ in likes] + [likes[-1][0], seconds[-1]], [count for _, count in likes] + [0, 0], color=LINE)
    cpu.plot(seconds, [one["cpu"] for one in seen["samples"]], color=LINE)
    pods.step(seconds, [one["pods"] for one in seen["samples"]], where="post", color=LINE)
    for axes, title in (load, "likes a second"), (cpu, "processor cores of all pods of toggle"), (pods, "pods of toggle that are ready"):
        axes.set_title(title, loc="left", fontsize=10, color=INK)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    pods.set_yticks(range(max(one["pods"] for one in seen["samples"]) + 2))
    pods.set_xlabel("seconds")
    figure.savefig(file, dpi=110)


main(*sys.argv[1:])
