"""Spells as arrays: what every model of this floor is fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.product_limit import check_spells


@dataclass(frozen=True)
class Spells:
    """Spells at risk for gap times ``entry`` < u <= ``duration``, with covariates known at their start.

    Attributes
    ----------
    entry, duration : array of float64, shape (n,)
        Gap times in blocks.
    event : array of bool, shape (n,)
        Whether an access ended the spell.
    x : array of float64, shape (n, p)
        Covariates.
    names : tuple of str
        Names of the p covariates.
    stratum : array of int, shape (n,)
        Index into `strata`.
    strata : tuple of str
        Labels of the strata.
    cluster : array of int, shape (n,), or None
        What makes spells dependent: the slot, or the contract, which contains it.
    """

    entry: np.ndarray
    duration: np.ndarray
    event: np.ndarray
    x: np.ndarray
    names: tuple[str, ...]
    stratum: np.ndarray
    strata: tuple[str, ...]
    cluster: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.duration)

    def take(self, rows: np.ndarray) -> Spells:
        """Return the spells of some rows (a mask or numbers); the strata keep their codes."""
        return replace(
            self,
            entry=self.entry[rows],
            duration=self.duration[rows],
            event=self.event[rows],
            x=self.x[rows],
            stratum=self.stratum[rows],
            cluster=None if self.cluster is None else self.cluster[rows],
        )


def make_spells(
    duration: np.ndarray,
    event: np.ndarray,
    x: np.ndarray | None = None,
    names: Sequence[str] | None = None,
    *,
    entry: np.ndarray | None = None,
    stratum: np.ndarray | None = None,
    cluster: np.ndarray | None = None,
) -> Spells:
    """Check arrays and make spells of them.

    Parameters
    ----------
    duration, event : array, shape (n,)
        End of each spell on the gap clock, and whether an access ended it.
    x : array, shape (n, p), optional
        Covariates; none if not given.
    names : sequence of str, optional
        Their names, ``x0``, ``x1``, ... if not given.
    entry : array, shape (n,), optional
        Gap time from which the spell is at risk; zero if not given.
    stratum, cluster : array, shape (n,), optional
        Labels of any kind that sorts.

    Raises
    ------
    InputError
        If lengths differ, a covariate is not finite, or 0 <= entry < duration does not hold.
    """
    duration, event, entry = check_spells(duration, event, entry)
    n = len(duration)
    x = np.zeros((n, 0)) if x is None else np.asarray(x, float)
    if x.ndim != 2 or len(x) != n:
        raise InputError(f"covariates have shape {x.shape}; {n} spells need ({n}, p)")
    names = tuple(names) if names is not None else tuple(f"x{j}" for j in range(x.shape[1]))
    if len(names) != x.shape[1] or len(set(names)) != len(names):
        raise InputError(f"covariates: {x.shape[1]} columns need as many different names, got {names}")
    check_finite(x, names)
    labels = np.zeros(n, np.int64) if stratum is None else np.asarray(stratum)
    if labels.shape != (n,):
        raise InputError(f"stratum has shape {labels.shape}, expected ({n},)")
    strata, codes = np.unique(labels, return_inverse=True)
    if cluster is not None:
        cluster = np.asarray(cluster)
        if cluster.shape != (n,):
            raise InputError(f"cluster has shape {cluster.shape}, expected ({n},)")
        cluster = np.unique(cluster, return_inverse=True)[1]
    return Spells(
        entry,
        duration,
        event,
        x,
        names,
        codes,
        ("all",) if stratum is None else tuple(map(str, strata)),
        cluster,
    )


def check_finite(x: np.ndarray, names: Sequence[str]) -> None:
    """Raise `InputError` naming the covariates of `x`, shape (n, p), that have missing or infinite values."""
    if np.isfinite(x.sum()):
        return
    bad = np.flatnonzero(~np.isfinite(x).all(axis=0))
    if bad.size:
        row = int(np.flatnonzero(~np.isfinite(x[:, bad[0]]))[0])
        raise InputError(
            f"covariates {[names[int(j)] for j in bad]} are not finite (first in row {row}); "
            "fill or drop such rows first"
        )


def from_frame(
    frame: pl.DataFrame,
    covariates: Sequence[str] = (),
    *,
    strata: Sequence[str] = (),
    cluster: str | None = None,
) -> Spells:
    """Make spells of a frame of `rollstate.intervals.build`, or of one that adds covariates to it.

    Parameters
    ----------
    frame : polars.DataFrame
        ``entry``, ``duration``, ``event`` and the columns named next.
    covariates : sequence of str
        Numeric or Boolean columns.
    strata : sequence of str
        Columns whose combinations are the strata; null is a label of its own.
    cluster : str, optional
        Column of the clusters.
    """
    missing = [name for name in (*covariates, *strata, *filter(None, [cluster])) if name not in frame.columns]
    if missing:
        raise InputError(f"spells: no columns {missing}; the frame has {frame.columns}")
    return make_spells(
        frame["duration"].to_numpy(),
        frame["event"].to_numpy(),
        matrix(frame, covariates),
        covariates,
        entry=frame["entry"].to_numpy(),
        stratum=stratum_labels(frame, strata),
        cluster=None if cluster is None else frame[cluster].to_numpy(),
    )


def matrix(frame: pl.DataFrame, covariates: Sequence[str]) -> np.ndarray:
    """Return columns of a frame as an array of float64, shape (n, p); null becomes NaN."""
    if not covariates:
        return np.zeros((len(frame), 0))
    return frame.select(pl.col(list(covariates)).cast(pl.Float64)).to_numpy()


def stratum_labels(frame: pl.DataFrame, strata: Sequence[str]) -> np.ndarray | None:
    """Return one label for each row, the values of the columns `strata` joined by a slash; None without strata."""
    if not strata:
        return None
    parts = [pl.col(name).cast(pl.String).fill_null("unknown") for name in strata]
    return frame.select(pl.concat_str(parts, separator="/")).to_series().to_numpy()


def add_covariates(frame: pl.DataFrame) -> pl.DataFrame:
    """Add covariates on the scales the models use, all known at the start of the spell.

    Adds ``log_accesses``, ``log_prev_gap`` (0 where there is none) with ``first_gap`` (1 there), ``log_rate``,
    ``log_age``, ``log_contract_age``, ``log_co_contract`` and ``log_co_tx`` (0 where unknown), ``wrote_start``.
    """
    return frame.with_columns(
        log_accesses=pl.col("n_accesses").clip(1).log(),
        log_prev_gap=pl.col("prev_gap").cast(pl.Float64).log().fill_null(0.0),
        first_gap=pl.col("prev_gap").is_null().cast(pl.Float64),
        log_rate=pl.col("rate").log().clip(-30.0),
        log_age=pl.col("slot_age").clip(0).log1p(),
        log_contract_age=pl.col("contract_age").clip(0).log1p(),
        log_co_contract=pl.col("co_contract").fill_null(0).log1p(),
        log_co_tx=pl.col("co_tx").fill_null(0).log1p(),
        wrote_start=pl.col("wrote").fill_null(False).cast(pl.Float64),
    )


def standardised(spells: Spells) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return covariates with mean 0 and standard deviation 1, shape (n, p), and the means and deviations they had.

    Raises
    ------
    InputError
        If a covariate is constant.
    """
    center, spread = spells.x.mean(axis=0), spells.x.std(axis=0)
    # A constant column differs from its mean by rounding alone.
    flat = spread <= 1e-12 * np.maximum(np.abs(center), 1e-300)
    if flat.any():
        names = [spells.names[j] for j in np.flatnonzero(flat)]
        raise InputError(f"covariates {names} are constant: their effect is not defined; drop them")
    return (spells.x - center) / spread, center, spread
