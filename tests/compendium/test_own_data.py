"""A chapter on the reader's own trace does not ask for the data of published work."""

import pytest

from rollstate.compendium import runner
from rollstate.errors import DataUnavailableError
from rollstate.traces import datasets


@pytest.mark.parametrize("chapter", ["survival", "tiering", "eda"])
def test_a_chapter_on_an_own_trace_needs_no_published_data(root, tmp_path, monkeypatch, chapter):
    real = datasets.locate

    def locate(name):
        if name in datasets.names():
            raise DataUnavailableError(f"{name} cannot be had")
        return real(name)

    monkeypatch.setattr(datasets, "locate", locate)
    own = str(datasets.data_folder() / "sample")
    work = runner.plan(chapter, {"trace": own}, root, out=tmp_path)
    assert work.parameters.trace == own
    assert work.executed
    # The trace itself must be had.
    with pytest.raises(DataUnavailableError):
        runner.plan(chapter, {"trace": "mainnet-bal"}, root, out=tmp_path)
