"""What a chapter says of this trace alone is a sentence on its page."""

from rollstate.compendium import chapter as module
from rollstate.compendium.chapter import Chapter
from rollstate.errors import InputError


def refuse(given):
    raise InputError(f"there is nothing to {given}")


def test_sentences_are_shown_and_refusals_are_sentences(monkeypatch):
    shown = []
    monkeypatch.setattr(module, "display", lambda bundle, raw: shown.append(bundle["text/markdown"]))
    chapter = Chapter("traces", {})
    chapter.say("")
    assert chapter.attempt(len, None) is None
    assert chapter.attempt(len, [1, 2]) == 2
    assert not shown
    chapter.say("This is a sample.")
    assert chapter.attempt(refuse, "count") is None
    assert shown == ["This is a sample.", "This data cannot show what follows: there is nothing to count."]
