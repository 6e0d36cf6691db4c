"""Figures of the chapter ``execution_state``."""

from __future__ import annotations

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from rollstate.compendium import style


def _lines(ax: Axes, table: pl.DataFrame, group: str, x: str, y: str) -> None:
    """Draw one line per group, with bands where the table has them."""
    for number, ((name,), part) in enumerate(table.group_by(group, maintain_order=True)):
        ax.plot(
            part[x],
            part[y],
            color=style.COLOURS[number],
            linestyle=style.LINES[number % 4],
            marker=style.MARKERS[number],
            markersize=3.5,
            label=name,
        )
        if {"low", "high"} <= set(table.columns):
            style.band(ax, part[x], part["low"], part["high"], color=style.COLOURS[number])


def trees(table: pl.DataFrame) -> Figure:
    """Draw cost per key against batch; ``tree``, ``batch``, ``reads``, ``hashed_bytes``."""
    figure, (left, right) = style.subplots(1, 2, width="page", height=2.5)
    for ax, column, label in (
        (left, "reads", "pages read per key"),
        (right, "hashed_bytes", "bytes hashed per key"),
    ):
        _lines(ax, table, "tree", "batch", column)
        ax.set_xscale("log")
        ax.set_xlabel("keys per commitment")
        ax.set_ylabel(label)
        ax.set_ylim(bottom=0)
    left.legend()
    return figure


def witnesses(table: pl.DataFrame, checked: pl.DataFrame) -> Figure:
    """Draw ``kb``, ``low``, ``high`` by ``kind``, and ``formula_kb`` against ``real_kb``."""
    figure, axes = style.subplots(1, 2, width="page", height=2.5)
    left, right = axes
    kb, low, high = (table[name].to_numpy() for name in ("kb", "low", "high"))
    left.errorbar(range(len(kb)), kb, yerr=[kb - low, high - kb], fmt="o", capsize=3, color=style.COLOURS[0])
    left.set_xticks(range(len(kb)), table["kind"].to_list())
    left.set_xlim(-0.5, len(kb) - 0.5)
    left.set_ylim(bottom=0)
    left.set_ylabel("witness of a block (kB)")
    if checked.is_empty():
        right.set_axis_off()
        right.text(0.5, 0.5, "no real witness at hand", ha="center", va="center", transform=right.transAxes)
        return figure
    top = 1.1 * max(checked["real_kb"].max(), checked["formula_kb"].max())
    right.plot([0, top], [0, top], color="#777777", linestyle=":", linewidth=0.9, label="equal")
    right.scatter(
        checked["real_kb"], checked["formula_kb"], s=14, color=style.COLOURS[1], marker="s", label="block"
    )
    right.set_xlabel("real trie nodes (kB)")
    right.set_ylabel("formula (kB)")
    right.set_xlim(0, top)
    right.set_ylim(0, top)
    right.legend(loc="upper left")
    return figure


def cache(table: pl.DataFrame) -> Figure:
    """Draw hit ratio and access time against size; ``size``, ``hits``, ``low``, ``high``, ``amat_us``."""
    figure, (left, right) = style.subplots(1, 2, width="page", height=2.4)
    left.plot(table["size"], table["hits"], marker="o", markersize=3, color=style.COLOURS[0])
    style.band(left, table["size"], table["low"], table["high"], color=style.COLOURS[0])
    left.set_ylabel("share answered by the cache")
    left.yaxis.set_major_formatter(PercentFormatter(1))
    left.set_ylim(0, 1)
    right.plot(table["size"], table["amat_us"], marker="s", markersize=3, color=style.COLOURS[1])
    style.band(right, table["size"], table["amat_low"], table["amat_high"], color=style.COLOURS[1])
    right.set_ylabel("mean access time (µs)")
    right.set_ylim(bottom=0)
    for ax in (left, right):
        ax.set_xscale("log")
        ax.set_xlabel("cache size (slots)")
    return figure


def reading(table: pl.DataFrame) -> Figure:
    """Draw a block's time against reads under way; ``engine``, ``depth``, ``ms``, ``low``, ``high``."""
    figure, ax = style.subplots(width="page", height=2.6)
    _lines(ax, table, "engine", "depth", "ms")
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda depth, _: f"{depth:g}"))
    ax.set_xlabel("reads under way at once")
    ax.set_ylabel("time of a block (ms)")
    ax.set_ylim(bottom=0)
    ax.legend()
    return figure


def expiry(table: pl.DataFrame) -> Figure:
    """Draw hits against slots kept; ``policy``, ``kept``, ``hits``, ``low``, ``high``."""
    figure, ax = style.subplots(height=2.6)
    _lines(ax, table, "policy", "kept", "hits")
    ax.set_xlim(left=0)
    ax.set_ylim(0, 1)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda kept, _: f"{kept / 1e3:g}"))
    ax.set_xlabel("slots kept (thousands, mean over blocks)")
    ax.set_ylabel("touches of kept slots")
    ax.legend()
    return figure


def shards(table: pl.DataFrame) -> Figure:
    """Draw the cross-shard share; ``placement``, ``shards``, ``share``, ``low``, ``high``."""
    figure, ax = style.subplots(width="page", height=2.8)
    _lines(ax, table, "placement", "shards", "share")
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:g}"))
    ax.set_ylim(0, 1.02)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set_xlabel("shards")
    ax.set_ylabel("transactions that cross shards")
    ax.legend(loc="lower right")
    return figure
