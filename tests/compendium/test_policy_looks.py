"""Every policy has one name, place, colour and marker, in every figure."""

import matplotlib.colors
import polars as pl
import pytest

from rollstate.caching import curves
from rollstate.chapters.caching import figures as caching
from rollstate.chapters.execution_state import figures as execution_state
from rollstate.chapters.tiering import figures as tiering
from rollstate.compendium import policy_looks
from rollstate.compendium.policy_looks import COLOUR, LOOKS, MARKER, OTHER_NAMES
from rollstate.horizons import rules
from rollstate.tiering import names as tiering_names
from rollstate.tiering import policies


def test_every_policy_of_the_science_has_a_look_and_none_has_anothers():
    assert {*policies.ORDER, *rules.ORDER, *curves.ORDER} <= set(LOOKS)
    assert len(set(LOOKS.values())) == len(LOOKS)


@pytest.mark.parametrize("order", [policies.RULES, rules.RULES, curves.CLASSICAL])
def test_policies_of_one_kind_that_are_drawn_together_are_told_by_marker_or_colour(order):
    assert len({(COLOUR[name], MARKER[name]) for name in order}) == len(order)


def test_other_names_lead_to_names_in_use_and_are_not_in_use():
    lower = {name.lower() for name in LOOKS}
    assert set(OTHER_NAMES.values()) <= set(LOOKS) | {"Belady's rule"}
    assert not lower & {name.lower() for name in OTHER_NAMES}


def drawn(figure) -> dict[str, str]:
    """Colour of each line by its label in the legends of a figure."""
    legends = [*figure.legends, *(ax.get_legend() for ax in figure.axes if ax.get_legend())]
    return {
        text.get_text(): matplotlib.colors.to_hex(handle.get_color()).upper()
        for legend in legends
        for text, handle in zip(legend.get_texts(), legend.get_lines(), strict=True)
    }


def hits(names) -> pl.DataFrame:
    rows = [(name, share, 0.1 + share) for name in names for share in (0.01, 0.1, 0.3)]
    frame = pl.DataFrame(rows, schema=["policy", "share", "hits"], orient="row")
    return frame.with_columns(hits_low="hits", hits_high="hits", room=pl.lit(1), trace=pl.lit("a"))


def test_a_policy_has_one_colour_in_the_figures_of_every_chapter():
    kept = pl.DataFrame(
        {"policy": [tiering_names.FIXED, curves.LRU], "kept": 100.0, "hits": 0.5, "low": 0.4, "high": 0.6}
    )
    costs = pl.DataFrame(
        {
            "policy": [policies.TUNED, policies.SKI, policies.EXPECTED_COX] * 2,
            "factor": [0.1] * 3 + [10.0] * 3,
        }
    ).with_columns(ratio=pl.lit(1.5))
    found = [
        caching.hits(hits(curves.ORDER), quote=0.1),
        caching.everywhere(hits(curves.ORDER), quote=0.1),
        tiering.capacity(hits([curves.LRU, curves.LFU, curves.WTINYLFU, curves.BELADY])),
        tiering.misjudged(costs, quote=10.0),
        execution_state.expiry(kept),
    ]
    for one in found:
        said = drawn(one.figure)
        assert len(said) > 1
        for name, colour in said.items():
            assert colour == COLOUR[name].upper(), name


def test_tables_and_legends_list_policies_in_one_order():
    assert policy_looks.listed(reversed(policies.ORDER)) == [n for n in LOOKS if n in set(policies.ORDER)]
    assert list(drawn(caching.everywhere(hits(curves.ORDER), quote=0.1).figure)) == policy_looks.listed(
        caching._SHOWN
    )
