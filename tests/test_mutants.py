"""What counts as a wrong token, which survivors are accepted and why, and when too few are killed."""

import json

import pytest
from tools import mutants as m

SOURCE = '''"""Not 1 + 1."""

LIMIT: int = 3


class Box:
    def full(self, held: "1 < 2", most=4) -> "2":
        if held < 0:
            raise ValueError(f"{held - 1} < {0}")
        return held >= most and not held == LIMIT
'''


def found(source=SOURCE):
    return [m.mutant(source, "made/up", number) for number in range(m.count(source))]


def test_each_operator_comparison_connective_and_number_is_changed_once_messages_and_types_never():
    changes = {one.change for one in found()}
    assert changes == {
        "3  ->  4",
        "4  ->  5",
        "held < 0  ->  held <= 0",
        "0  ->  1",
        "held >= most and (not held == LIMIT)  ->  held >= most or not held == LIMIT",
        "held >= most  ->  held > most",
        "held == LIMIT  ->  held != LIMIT",
    }
    assert len(found()) == len(changes)


def test_a_mutant_is_named_by_the_definitions_around_it():
    within = {one.change: one.within for one in found()}
    assert within["3  ->  4"] == ""
    assert within["held < 0  ->  held <= 0"] == "Box.full"
    moved = {one.key for one in found("\n\n" + SOURCE)}
    assert moved == {one.key for one in found()}


def test_the_changed_source_differs_in_that_token_alone():
    for one in found():
        text = m.changed(SOURCE, one.number)[0]
        assert m.count(text) == len(found())
        assert text != m.changed(SOURCE, (one.number + 1) % len(found()))[0]


def test_a_sample_is_that_of_its_seed_and_together_it_is_drawn_from_all():
    modules = ["tiering/replay", "execution/expiry"]
    assert m.draw(modules, 5, 1, together=False) == m.draw(modules, 5, 1, together=False)
    assert len(m.draw(modules, 5, 1, together=False)) == 10
    together = [m.draw(modules, 12, seed, together=True) for seed in (1, 2)]
    assert [len(one) for one in together] == [12, 12]
    assert together[0] != together[1]
    assert {one.module for one in together[0]} == set(modules)


@pytest.mark.parametrize(
    ("strict", "other", "short"),
    [
        ((95, 5), (0, 0), 0),
        ((94, 6), (0, 0), 1),
        ((95, 5), (75, 25), 0),
        ((95, 5), (74, 26), 1),
        ((0, 0), (84, 16), 1),
    ],
)
def test_goals_are_for_all_modules_and_higher_for_some(strict, other, short):
    def some(module, killed, survived):
        one = m.Mutant(module, 1, "", "1  ->  2", 0)
        return [(one, True)] * killed + [(one, False)] * survived

    lines = m.shortfalls(some("tiering/replay", *strict) + some("tails/estimators", *other))
    assert len(lines) == short


def test_every_module_and_its_tests_exist(root):
    for module, tests in m.TARGETS.items():
        assert m.count(m.read(module)) > 0, module
        assert all((root / test).is_file() for test in tests), tests


def test_where_all_tests_are_long_ones_no_quick_one_notices_anything(tmp_path):
    """A module without a quick test ended the whole run: pytest says 5 where it collects nothing."""
    none = tmp_path / "test_none.py"
    none.write_text("")
    assert m._run(tmp_path, [str(none)], None)
    none.write_text("def test_nothing():\n    assert False\n")
    assert not m._run(tmp_path, [str(none)], None)


@pytest.mark.thorough
def test_every_accepted_survivor_is_a_mutant_of_today_and_has_a_reason():
    rows = json.loads(m.ACCEPTED.read_text())
    assert len(m.accepted()) == len(rows), "a survivor is listed twice"
    for module in {row["module"] for row in rows}:
        source = m.read(module)
        keys = {m.mutant(source, module, number).key for number in range(m.count(source))}
        for row in rows:
            if row["module"] == module:
                assert (row["module"], row["within"], row["change"]) in keys, row
                assert len(row["reason"].split()) > 4, row


@pytest.mark.thorough
def test_a_wrong_bound_is_killed_and_the_copy_is_as_before(tmp_path):
    source = m.read("execution/expiry")
    wrong = next(
        one
        for one in (m.mutant(source, "execution/expiry", n) for n in range(m.count(source)))
        if one.change == "deposit >= 0  ->  deposit > 0"
    )
    assert list(m.judge([wrong], tmp_path)) == [(wrong, True)]
    assert (tmp_path / "0" / "rollstate" / "execution" / "expiry.py").read_text() == source
