r"""What it costs to hold a slot for a block, and to reach it where it is.

The miss penalty decides everything, so it is derived, not chosen: with a price per byte and month, a slot of
:math:`b` bytes and blocks of :math:`s` seconds a tier costs :math:`c = \text{price} \cdot b \cdot s / \text{month}` per
slot-block, and an access that has to wait :math:`\Delta` seconds longer than in RAM costs :math:`\ell = \Delta v` with
a value :math:`v` of a second. Costs are relative: only :math:`\ell / c`, in blocks, matters for two tiers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from rollstate.errors import InputError

MONTH_S = 30 * 86_400


@dataclass(frozen=True)
class Costs:
    """Costs of three tiers; two tiers are RAM and cold, with `ssd` and `miss_ssd` as of cold.

    Attributes
    ----------
    ram, ssd, cold : float
        Holding a slot for a block, ``ram`` >= ``ssd`` >= ``cold``.
    miss_ssd, miss_cold : float
        An access that finds the slot there instead of in RAM, ``miss_ssd`` <= ``miss_cold``.
    demote, promote : float
        Moving a slot down or up by any number of tiers.
    """

    ram: float
    ssd: float
    cold: float
    miss_ssd: float
    miss_cold: float
    demote: float = 0.0
    promote: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
                raise InputError(f"cost {field.name} must be a finite number of at least 0, not {value!r}")
        if not self.ram >= self.ssd >= self.cold or self.miss_ssd > self.miss_cold:
            raise InputError(
                f"{self}: a lower tier must not cost more to hold, nor less to reach; order RAM, SSD, cold"
            )

    @property
    def penalty(self) -> float:
        """What a miss costs in two tiers: the penalty, the way back, and the way down before it."""
        return self.miss_cold + self.promote


def two_tiers(miss: float, ram: float = 1.0) -> Costs:
    """Return costs of RAM and a free cold tier: the setting of the published comparisons.

    >>> two_tiers(miss=100).penalty
    100.0
    """
    return Costs(ram, 0.0, 0.0, miss, miss)


@dataclass(frozen=True)
class Medium:
    """Hardware of a tier.

    Attributes
    ----------
    usd_per_gib_month : float
        Price of holding.
    latency_s : float
        Time of one access.
    source : str
        Where the price is from.
    """

    usd_per_gib_month: float
    latency_s: float
    source: str = ""


MEDIA = {
    "ram": Medium(
        2.17, 100e-9, "Amazon EC2 on demand, us-east-1: r6g.large less m6g.large, 8 GiB for 0.0238 $/h"
    ),
    "ssd": Medium(0.08, 100e-6, "Amazon EBS, gp3 volume, us-east-1, per month"),
    "cold": Medium(0.023, 20e-3, "Amazon S3 Standard, us-east-1, per month"),
}
"""List prices, and latencies to the order of magnitude: RAM 100 ns, NVMe 10 to 100 µs, a remote store milliseconds
(https://gist.github.com/jboner/2841832). Parameters of the worksheet, not results."""


def worksheet(
    media: dict[str, Medium], *, slot_bytes: float, block_s: float, usd_per_s: float, accesses: float = 1.0
) -> Costs:
    """Turn prices and latencies into `Costs` in US dollars.

    Parameters
    ----------
    media : dict
        `Medium` of ``ram``, ``ssd`` and ``cold``.
    slot_bytes : float
        Bytes that a slot takes, keys and index included.
    block_s : float
        Seconds per block.
    usd_per_s : float
        Value of a second's delay of an access: what depends on it waits too.
    accesses : float
        Accesses of the medium per miss, such as the nodes of a trie above a slot.
    """
    values = {"slot_bytes": slot_bytes, "block_s": block_s, "usd_per_s": usd_per_s, "accesses": accesses}
    for name, value in values.items():
        if not math.isfinite(value) or value <= 0:
            raise InputError(f"worksheet: {name} must be above 0, not {value!r}")
    if set(media) != {"ram", "ssd", "cold"}:
        raise InputError(f"worksheet: media must be ram, ssd and cold, not {sorted(media)}")
    held = {name: m.usd_per_gib_month * slot_bytes / 2**30 * block_s / MONTH_S for name, m in media.items()}
    delay = {name: (m.latency_s - media["ram"].latency_s) * accesses * usd_per_s for name, m in media.items()}
    return Costs(held["ram"], held["ssd"], held["cold"], delay["ssd"], delay["cold"])
