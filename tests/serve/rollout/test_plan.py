"""Which models are to be served: shares, slots, and what was before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.errors import ConfigError
from motet.serve.rollout.plan import KEPT, NOTHING, Plan, Wanted, divide


def plan(*names: str, after: Plan = NOTHING, version: str = "1") -> Plan:
    wanted = [Wanted(name.strip("~"), role="shadow" if "~" in name else "live") for name in names]
    return after.changed(wanted, {one.name: version for one in wanted})


def slots(plan: Plan) -> dict[str, int]:
    return {place.name: place.slot for place in plan.places}


@given(st.lists(st.integers(0, 10), max_size=3), st.integers(1, 3), st.integers(0, 2))
def test_shares_add_up_to_one(given: list[int], free: int, shadows: int) -> None:
    parts = [share / (10 * len(given)) for share in given]
    wanted = [*map(Wanted, "abc", parts), *(Wanted(f"free {n}") for n in range(free))]
    wanted += [Wanted(f"shadow {n}", role="shadow") for n in range(shadows)]
    shares = divide(wanted)
    assert sum(shares.values()) == pytest.approx(1)
    assert list(shares) == [one.name for one in wanted]
    for name, part in zip("abc", parts, strict=False):
        assert shares[name] == part
    assert len({shares[f"free {n}"] for n in range(free)}) == 1
    assert all(shares[f"shadow {n}"] == 0 for n in range(shadows))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ([Wanted("a"), Wanted("a")], "two models are called 'a'; rename the folder of one"),
        ([Wanted("a", role="shadow")], "all models are shadows; at least one must be live"),
        (
            [Wanted("a"), Wanted("b", 0.5, "shadow")],
            r"'b' is a shadow and cannot have a share \(0\.5\); leave the share out",
        ),
        ([Wanted("a", 0.8), Wanted("b", 0.3)], r"the shares add up to 1\.1 instead of 1; leave one out"),
        ([Wanted("a", 0.8), Wanted("b", 0.1)], r"the shares add up to 0\.9"),
        ([Wanted("a", 0.8), Wanted("b", 0.7), Wanted("c")], r"the shares add up to 1\.5"),
        ([Wanted("a", -0.1), Wanted("b")], r"the share of 'a' is -0\.1; it must be between 0 and 1"),
        ([Wanted("a", float("nan")), Wanted("b")], "the share of 'a' is nan"),
    ],
)
def test_shares_that_break_a_rule(wanted: list[Wanted], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        divide(wanted)


def test_a_new_model_takes_the_place_of_one_that_leaves() -> None:
    first = plan("a", "b", "~c")
    assert slots(first) == {"a": 0, "b": 1, "c": -1}
    assert slots(plan("b", "d", after=first)) == {"b": 1, "d": 0}
    assert slots(plan("c", "b", after=first)) == {"c": 0, "b": 1}
    assert slots(plan("d", "a", "b", after=first)) == {"d": 2, "a": 0, "b": 1}
    assert slots(plan("~a", "e", "b", after=first)) == {"a": -1, "e": 0, "b": 1}


def test_what_was_before_comes_back_one_by_one() -> None:
    plans = [plan("a")]
    for name in "bcd":
        plans.append(plan(name, after=plans[-1]))
    now: Plan | None = plans[-1]
    for earlier in reversed(plans[:-1]):
        assert now is not None
        now = now.rolled_back()
        assert now is not None
        assert now.places == earlier.places
    assert now is not None
    assert now.generation == 7
    assert now.rolled_back() is None


def test_history_is_bounded() -> None:
    now = NOTHING
    for number in range(3 * KEPT):
        now = plan(f"m{number}", after=now)
    assert len(now.before) == KEPT


def test_the_same_once_more_is_no_change_and_another_version_is() -> None:
    first = plan("a", "b")
    assert plan("a", "b", after=first) is first
    assert plan("a", "b", after=first, version="2").generation == 2


def test_a_plan_survives_as_a_document() -> None:
    now = plan("c", after=plan("a", "~b", after=plan("a")))
    assert Plan.from_document(now.document()) == now
