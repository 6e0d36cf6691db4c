"""rollstate: a reproducible research compendium on rollup state."""

__version__ = "0.8.0"
