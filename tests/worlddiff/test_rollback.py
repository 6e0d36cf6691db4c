"""Collections return to any live snapshot, and refuse every stale one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollstate.worlddiff.errors import StaleSnapshotError
from rollstate.worlddiff.rollback import JournalLog, JournalMap, JournalSet

small = st.integers(0, 3)


def content(collection):
    for name in ("entries", "members"):
        if hasattr(collection, name):
            return type(getattr(collection, name))(getattr(collection, name))


def change(collection, key, value):
    if isinstance(collection, JournalMap):
        collection.insert(key, value) if value < 3 else collection.add_flags(key, value)
    elif isinstance(collection, JournalSet):
        collection.add(key)
    else:
        collection.append((key, value))


@pytest.mark.parametrize("kind", [JournalMap, JournalSet, JournalLog])
@given(st.lists(st.tuples(st.sampled_from(["change", "mark", "back", "commit"]), small, small), max_size=40))
def test_a_live_snapshot_is_returned_to_and_a_stale_one_is_refused(kind, steps):
    """Beside copies: snapshot i is live until a rollback to an older one, or a commit."""
    collection, marks = kind(), []
    for what, key, value in steps:
        if what == "change":
            change(collection, key, value)
        elif what == "mark":
            marks.append((collection.snapshot(), content(collection), True))
        elif what == "commit":
            collection.commit()
            marks = [(snapshot, copy, False) for snapshot, copy, _ in marks]
        elif marks:
            at = key % len(marks)
            snapshot, copy, live = marks[at]
            if not live:
                with pytest.raises(StaleSnapshotError):
                    collection.rollback(snapshot)
                continue
            collection.rollback(snapshot)
            assert content(collection) == copy
            # Later snapshots of a longer journal were undone; those of the same length name the same state.
            marks = [
                (other, kept, alive and (number <= at or other.length <= snapshot.length))
                for number, (other, kept, alive) in enumerate(marks)
            ]


def test_a_snapshot_of_another_collection_is_refused():
    with pytest.raises(StaleSnapshotError, match="another collection"):
        JournalMap().rollback(JournalMap().snapshot())


@given(st.lists(st.tuples(small, small), max_size=12), st.lists(st.tuples(small, small), max_size=12))
def test_changes_after_are_values_before_the_first_change_and_now(before, after):
    collection = JournalMap()
    for key, value in before:
        collection.insert(key, value)
    old, snapshot = dict(collection.entries), collection.snapshot()
    for key, value in after:
        collection.insert(key, value)
    wanted = {key: (old.get(key), collection.entries[key]) for key in sorted({key for key, _ in after})}
    assert collection.changes_after(snapshot) == wanted


@given(st.lists(st.tuples(small, st.integers(1, 7)), max_size=20))
def test_flags_only_grow_and_journal_only_what_grows(steps):
    collection, seen = JournalMap(), {}
    for key, bits in steps:
        grown = bool(bits & ~seen.get(key, 0))
        length = collection.snapshot().length
        assert collection.add_flags(key, bits) is grown
        assert collection.snapshot().length - length == grown
        seen[key] = seen.get(key, 0) | bits
    assert collection.entries == seen
