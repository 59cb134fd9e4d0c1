"""Sums of what agents used of language models."""

import pytest

from planner_graph.mirror.usage import total_usage


def counts(tokens, calls=1):
    return {"input_tokens": tokens, "output_tokens": 1, "total_tokens": tokens + 1, "calls": calls}


def usage(tokens, cost, model="small"):
    return counts(tokens) | {"cost_usd": cost, "models": {model: counts(tokens)}}


@pytest.mark.parametrize("usages", [[], [None], [None, {}, None]])
def test_where_nobody_used_a_model_there_is_no_sum(usages):
    assert total_usage(usages) is None


@pytest.mark.parametrize("cost", [0.25, 0.000000012345])
def test_one_usage_is_its_own_sum(cost):
    assert total_usage([None, usage(5, cost)]) == usage(5, cost)


def test_everything_is_added_up_and_each_model_for_itself():
    total = total_usage([usage(5, 0.25), usage(6, 0.5, "large"), None, usage(7, 0.125)])
    assert total == {
        "input_tokens": 18,
        "output_tokens": 3,
        "total_tokens": 21,
        "calls": 3,
        "cost_usd": 0.875,
        "models": {
            "large": {"input_tokens": 6, "output_tokens": 1, "total_tokens": 7, "calls": 1},
            "small": {"input_tokens": 12, "output_tokens": 2, "total_tokens": 14, "calls": 2},
        },
    }
    assert total is not None
    assert list(total["models"]) == ["large", "small"]


def test_the_order_of_usages_makes_no_difference():
    usages = [usage(5, 0.1), usage(6, 0.2, "large"), usage(7, 0.3)]
    assert total_usage(usages) == total_usage(usages[::-1])


def test_the_whole_has_no_price_where_a_part_has_none():
    total = total_usage([usage(5, 0.25), usage(6, None)])
    assert total is not None
    assert total["cost_usd"] is None
    assert total["total_tokens"] == 13


def test_what_cost_nothing_has_a_price():
    total = total_usage([usage(5, 0), usage(6, 0.0)])
    assert total is not None
    assert total["cost_usd"] == 0


def test_many_small_costs_add_up_without_the_noise_of_floats():
    total = total_usage([usage(1, 0.1)] * 3)
    assert total is not None
    assert total["cost_usd"] == 0.3


def test_what_a_usage_does_not_say_counts_nothing():
    assert total_usage([{"input_tokens": 4, "output_tokens": None}]) == {
        "input_tokens": 4,
        "output_tokens": 0,
        "total_tokens": 0,
        "calls": 0,
        "cost_usd": None,
        "models": {},
    }
