"""Every order of messages in a small timed model of the protocol: which rule stops which attack.

The model keeps what decides safety and money and nothing else: claims that are true or false, windows and clocks of a
few ticks, who sits on the sequencer's seat, games with the clock that is left of the side that may stall. Hashes,
traces and the two stages are left out, because `rollstate.dispute.game` and the contract are tested on those: here an
honest side wins its game, and the adversary decides when. The adversary is the sequencer or wants to be, has puppet
challengers, orders all messages within a tick, may drop one message of an honest sequencer and may make it miss one
answer. Honest parties send their messages in the tick in which they have reason to.

A breadth-first search over all states either finds the shortest attack or shows that there is none in the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from rollstate.errors import InputError

RULES = {
    "games block finality": "finalise asks for open games",
    "a game holds all open claims": "a game holds every claim whose window was open, not only the one it denies",
    "a lost game finalises nothing": "the window alone makes a claim final",
    "a lost claim is withdrawn": "a game won by its challenger withdraws every claim that is not final",
    "roots follow from T": "a game about a root ignores final differences",
    "a challenge names its claim": "openChallenge passes the claim's serial",
    "a claim names its batch": "postBatch and claimBatch pass n",
    "the seat is taken by working": "whoever claims next takes a vacant or idle seat",
    "void bonds wait for the truth": "the bond of a void game is paid when the claim is known to be wrong",
    "the first challenger is paid": "the opener of the first game shares the reward",
}
"""Rule to what the contract does by it."""

NOBODY, HONEST, ADVERSARY = 0, 1, 2
NONE, TRUE, FALSE = 0, 1, 2


@dataclass(frozen=True)
class Size:
    """How large the model is.

    Attributes
    ----------
    batches : int
        Batches that can be claimed.
    window, clock, patience : int
        Ticks of the window, of the stalling side's clock in a game, and after which an idle seat is free.
    puppets : int
        Games of puppets at a time.
    bonds : int
        Bonds that the adversary can put behind claims.
    """

    batches: int = 3
    window: int = 2
    clock: int = 2
    patience: int = 2
    puppets: int = 2
    bonds: int = 2

    @property
    def wait(self) -> int:
        """Ticks after which a seat without any claim counts as squatted: patience, window and two clocks."""
        return self.patience + self.window + 2 * self.clock + 2


class Claim(NamedTuple):
    """A standing claim: its truth, ticks since it was made, and who opened the first game on it."""

    truth: int
    age: int
    opener: int


class Play(NamedTuple):
    """A game: the batch it denies, the first it holds, whose it is, the denied claim, the clock, whether it stands."""

    batch: int
    hold: int
    side: int
    denied: int
    clock: int
    standing: bool
    paid: bool


class State(NamedTuple):
    """Everything that decides what may happen next."""

    claims: tuple[Claim, ...]
    final: int
    poisoned: bool
    seat: int
    idle: int
    starved: int
    bonds: int
    games: tuple[Play, ...]
    mail: tuple[str, int, bool] | None
    may_drop: bool
    may_miss: bool


@dataclass(frozen=True)
class Search:
    """What a search found.

    Attributes
    ----------
    states : int
        States that were looked at.
    harm : str
        What the shortest attack does; empty if there is none.
    attack : tuple of str
        Its messages in order.
    """

    states: int
    harm: str
    attack: tuple[str, ...]


def search(size: Size, removed: str | None = None, most: int = 20_000_000) -> Search:
    """Look at every schedule, with all rules or with one removed.

    Parameters
    ----------
    size : Size
        How large the model is.
    removed : str, optional
        The rule that is left out, a key of `RULES`.
    most : int
        States after which the search gives up.

    Raises
    ------
    InputError
        If the rule is unknown, or more than `most` states are reached.
    """
    if removed is not None and removed not in RULES:
        raise InputError(f"unknown rule {removed!r}; known are {', '.join(RULES)}")
    model = Model(size, removed)
    parents: dict[State, tuple[State | None, str]] = dict.fromkeys(model.starts(), (None, ""))
    layer = list(parents)
    while layer:
        following = []
        for state in layer:
            for label, after, harm in model.moves(state):
                if harm:
                    return Search(len(parents), harm, (*_path(parents, state), label))
                if after not in parents:
                    parents[after] = (state, label)
                    following.append(after)
        if len(parents) > most:
            raise InputError(f"more than {most} states: choose a smaller model than {size}")
        layer = following
    return Search(len(parents), "", ())


def _path(parents: dict[State, tuple[State | None, str]], state: State) -> tuple[str, ...]:
    labels = []
    at: State | None = state
    while at is not None:
        at, label = parents[at]
        labels.append(label)
    return tuple(label for label in reversed(labels) if label)


Move = tuple[str, State, str]


class Model:
    """The messages that are possible in a state, each with the state after it and the harm it does, if any."""

    def __init__(self, size: Size, removed: str | None) -> None:
        self.size, self.removed = size, removed

    def rule(self, name: str) -> bool:
        """Return whether a rule is in force."""
        return name != self.removed

    def starts(self) -> list[State]:
        """Return the states a search begins with: a clean one, and one whose first final difference is false."""
        clean = State((), 0, False, NOBODY, 0, 0, self.size.bonds, (), None, True, True)
        unseen = Claim(FALSE, self.size.window + 1, NOBODY)
        return [clean, clean._replace(claims=(unseen,), final=1, poisoned=True)]

    def moves(self, state: State) -> Iterator[Move]:
        """Yield all messages: of the adversary, of honest parties, and the tick of the clock."""
        yield from self._seat(state)
        yield from self._finalise(state)
        yield from self._open_puppets(state)
        yield from self._close(state)
        wanted = list(self._honest(state)) if state.mail is None else []
        yield from wanted
        if state.mail is not None:
            yield from self._deliver(state)
            if state.mail[0] == "claim" and state.may_drop and state.mail[1] < self.size.batches:
                n = state.mail[1]
                after = state._replace(mail=("claim", n + 1, False), may_drop=False)
                yield f"honest claim of {n} is dropped, that of {n + 1} is not", after, ""
        elif not any(move[0].startswith("!") for move in wanted) and all(
            g.clock > 0 or not g.standing for g in state.games
        ):
            yield from self._tick(state)

    # --- the seat and claims ------------------------------------------------------------------------------------

    def _free(self, state: State) -> bool:
        if state.seat == NOBODY:
            return True
        idle = self.rule("the seat is taken by working") and state.idle > self.size.patience
        return idle and len(state.claims) == state.final

    def _claimed(self, state: State, by: int, truth: int) -> State:
        claim = Claim(truth, 0, NOBODY)
        return state._replace(claims=(*state.claims, claim), seat=by, idle=0, starved=0)

    def _seat(self, state: State) -> Iterator[Move]:
        n = len(state.claims) + 1
        working = self.rule("the seat is taken by working")
        own = state.seat == ADVERSARY
        takes = working and not own and self._free(state) and state.bonds > 0
        if n <= self.size.batches and (own or takes):
            paid = state if own else state._replace(bonds=state.bonds - 1)
            for truth, word in ((TRUE, "truly"), (FALSE, "falsely")):
                yield f"adversary claims {n} {word}", self._claimed(paid, ADVERSARY, truth), ""
        if not working and state.seat == NOBODY and state.bonds > 0:
            after = state._replace(seat=ADVERSARY, bonds=state.bonds - 1)
            yield "adversary registers", after, ""
        if own and len(state.claims) == state.final:
            after = state._replace(seat=NOBODY, bonds=min(self.size.bonds, state.bonds + 1))
            yield "adversary resigns", after, ""

    def _honest(self, state: State) -> Iterator[Move]:
        """Yield what honest parties send; messages marked with ! are sent before time passes."""
        mine = any(g.side == HONEST and g.standing for g in state.games)
        if not mine:
            for n, claim in enumerate(state.claims, 1):
                if n > state.final and claim.truth == FALSE and claim.age <= self.size.window:
                    yield f"!honest challenge of {n} is sent", state._replace(mail=("deny", n, False)), ""
        n = len(state.claims) + 1
        if n <= self.size.batches and (state.seat == HONEST or self._free(state)):
            yield f"honest claim of {n} is sent", state._replace(mail=("claim", n, False)), ""

    def _deliver(self, state: State) -> Iterator[Move]:
        if state.mail is None:
            return
        kind, n, stale = state.mail
        state = state._replace(mail=None)
        if kind == "claim":
            at = len(state.claims) + 1
            named = self.rule("a claim names its batch")
            if (
                at > self.size.batches
                or not (state.seat == HONEST or self._free(state))
                or (named and at != n)
            ):
                yield f"honest claim of {n} is refused", state, ""
            elif at != n:
                yield f"honest claim of {n} lands on {at}", state, "an honest sequencer claims what is false"
            else:
                yield f"honest claim of {n}", self._claimed(state, HONEST, TRUE), ""
            return
        standing = state.final < n <= len(state.claims) and state.claims[n - 1].age <= self.size.window
        claim = state.claims[n - 1] if n <= len(state.claims) else None
        named = self.rule("a challenge names its claim")
        if not standing or claim is None or (named and stale):
            yield f"honest challenge of {n} is refused", state, ""
        elif claim.truth == TRUE:
            yield f"honest challenge of {n}", state, "an honest challenger denies a true claim"
        else:
            yield f"honest challenge of {n}", self._opened(state, n, HONEST), ""

    # --- games --------------------------------------------------------------------------------------------------

    def _opened(self, state: State, n: int, side: int) -> State:
        ages = enumerate(state.claims, 1)
        first = next(k for k, claim in ages if k > state.final and claim.age <= self.size.window)
        hold = first if self.rule("a game holds all open claims") else n
        claim = state.claims[n - 1]
        game = Play(n, hold, side, claim.truth, self.size.clock, True, False)
        claims = state.claims
        if claim.opener == NOBODY:
            claims = (*claims[: n - 1], claim._replace(opener=side), *claims[n:])
        return state._replace(games=tuple(sorted((*state.games, game))), claims=claims)

    def _open_puppets(self, state: State) -> Iterator[Move]:
        if sum(g.side == ADVERSARY for g in state.games) >= self.size.puppets:
            return
        for n, claim in enumerate(state.claims, 1):
            if n > state.final and claim.age <= self.size.window:
                yield f"puppet challenges {n}", self._opened(state, n, ADVERSARY), ""

    def _close(self, state: State) -> Iterator[Move]:
        for i, game in enumerate(state.games):
            if i and state.games[i - 1] == game:
                continue
            rest = state._replace(games=(*state.games[:i], *state.games[i + 1 :]))
            n = game.batch
            if not game.standing:
                yield from self._void(state, rest, game)
            elif game.side == HONEST:
                yield from self._challenger_wins(rest, game, f"honest challenger wins on {n}", "")
            elif state.seat == ADVERSARY:
                yield from self._challenger_wins(rest, game, f"puppet wins on {n}", "")
                yield self._puppet_loses(rest, game)
            else:
                blocked = state.poisoned and not self.rule("roots follow from T")
                if blocked and n > 1:
                    harm = "an honest sequencer loses its bond"
                    yield from self._challenger_wins(rest, game, f"puppet wins on {n}", harm)
                elif state.may_miss:
                    missed = rest._replace(may_miss=False)
                    label = f"an answer to {n} is missed, puppet wins"
                    yield from self._challenger_wins(missed, game, label, "")
                yield self._puppet_loses(rest, game)

    def _puppet_loses(self, rest: State, game: Play) -> Move:
        if self.rule("a lost game finalises nothing"):
            return f"puppet loses on {game.batch}", rest, ""
        until = max(rest.final, game.batch)
        return f"puppet loses on {game.batch}", rest._replace(final=until), self._false_up_to(rest, until)

    def _challenger_wins(self, rest: State, game: Play, label: str, harm: str) -> Iterator[Move]:
        right = game.denied == FALSE
        paid = right and self.rule("the first challenger is paid")
        openers = {n: claim.opener for n, claim in enumerate(rest.claims, 1)}
        first = openers.get(game.batch) if game.batch <= len(rest.claims) else NOBODY
        games = tuple(
            g._replace(
                standing=False,
                clock=0,
                paid=g.paid or (paid and g.batch == game.batch and g.side == first) or first != g.side,
            )
            if g.standing
            else g
            for g in rest.games
        )
        withdrawn = self.rule("a lost claim is withdrawn")
        claims = rest.claims[: rest.final] if withdrawn else rest.claims
        if not withdrawn:
            # The game is over, its claim stands: others on it go on.
            games = rest.games
        mail = rest.mail
        if withdrawn and mail is not None and mail[0] == "deny" and mail[1] > rest.final:
            mail = ("deny", mail[1], True)
        after = rest._replace(claims=claims, games=tuple(sorted(games)), seat=NOBODY, idle=0, mail=mail)
        yield label, after, harm

    def _void(self, state: State, rest: State, game: Play) -> Iterator[Move]:
        n = game.batch
        known = n <= state.final
        if game.side == HONEST:
            if known or not self.rule("void bonds wait for the truth"):
                harm = "" if game.paid else "the first challenger is not paid, for a copy closed first"
                yield f"honest challenger gets its bond on {n} back", rest, harm
        elif not self.rule("void bonds wait for the truth"):
            harm = "a puppet that denied a true claim gets its bond back" if game.denied == TRUE else ""
            yield f"puppet gets its bond on {n} back", rest, harm
        elif known:
            yield f"void game on {n} is closed", rest, ""

    # --- finality and time --------------------------------------------------------------------------------------

    def _false_up_to(self, state: State, n: int) -> str:
        wrong = any(claim.truth == FALSE for claim in state.claims[state.final : n])
        return "a false claim becomes final" if wrong else ""

    def _finalise(self, state: State) -> Iterator[Move]:
        held = min((g.hold for g in state.games if g.standing), default=self.size.batches + 1)
        for n in range(state.final + 1, len(state.claims) + 1):
            if state.claims[n - 1].age <= self.size.window:
                return
            if self.rule("games block finality") and n >= held:
                return
            yield f"batches up to {n} are finalised", state._replace(final=n), self._false_up_to(state, n)

    def _tick(self, state: State) -> Iterator[Move]:
        window, patience = self.size.window, self.size.patience
        claims = tuple(claim._replace(age=min(claim.age + 1, window + 1)) for claim in state.claims)
        games = tuple(g._replace(clock=g.clock - 1) if g.standing else g for g in state.games)
        starving = len(state.claims) < self.size.batches and state.seat == ADVERSARY
        starved = min(state.starved + 1, self.size.wait + 1) if starving else 0
        harm = "the seat is squatted for the cost of gas" if starved > self.size.wait else ""
        after = state._replace(
            claims=claims,
            games=tuple(sorted(games)),
            idle=min(state.idle + 1, patience + 1),
            starved=starved,
        )
        may_finalise = any(not harm for _, _, harm in self._finalise(state))
        if starving and (self._free(state) or may_finalise):
            # An honest party finalises what it can and takes a free seat before time passes.
            return
        yield "a tick passes", after, harm
