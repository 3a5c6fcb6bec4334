from __future__ import annotations

import pytest
from bench.budget import BUDGET
from bench.figures import Spread, added, bottlenecks, column, figures, ratio, spread


def rows(work: str, gateway: str, **columns: list[float]) -> list[dict]:
    """A row for each round."""
    rounds = range(len(next(iter(columns.values()))))
    return [
        {
            "work": work,
            "gateway": gateway,
            "round": number,
            **{name: values[number] for name, values in columns.items()},
        }
        for number in rounds
    ]


def test_a_ratio_is_taken_in_each_round_before_the_median() -> None:
    """A round in which the machine was slow for both says as much as any other."""
    seen = rows("whole", "waypost", cpu_us=[50, 500, 60]) + rows("whole", "nginx", cpu_us=[25, 250, 20])
    assert ratio(seen, "whole", "cpu_us") == Spread(2, 2, 3)


def test_rounds_that_only_one_gateway_has_are_left_out() -> None:
    seen = rows("whole", "waypost", cpu_us=[50, 40]) + rows("whole", "nginx", cpu_us=[25])
    assert ratio(seen, "whole", "cpu_us") == Spread(2, 2, 2)
    assert ratio(seen, "burst", "cpu_us") is None


def test_what_is_added_is_beyond_one_write_to_the_disk() -> None:
    direct = rows("latency", "direct", ms_p50=[0.2, 0.2])
    ours = rows("latency", "waypost", ms_p50=[1.5, 1.9], sync_ms_p50=[1.0, 1.0])
    found = added([*direct, *ours], "latency", "ms_p50", "waypost", "direct", beyond="sync_ms_p50")
    assert found == pytest.approx((0.5, 0.3, 0.7))
    assert added([*direct, *ours], "latency", "ms_p50", "waypost", "direct") == pytest.approx((1.5, 1.3, 1.7))


def test_the_spread_of_nothing_is_nothing() -> None:
    assert spread([]) is None
    assert spread([3, 1, 2]) == Spread(2, 1, 3)
    assert column([], "whole", "waypost", "cpu_us") is None


def everything() -> list[dict]:
    """One round of all work."""
    shared = {"gateway_share": [1.0], "load_share": [0.3], "upstream_share": [0.2]}
    seen = []
    for name, cost in (("waypost", 50.0), ("nginx", 25.0)):
        for work in ("whole", "burst", "paced"):
            seen += rows(work, name, cpu_us=[cost], calls_per_second=[1e6 / cost], **shared)
        seen += rows("start", name, start_seconds=[0.4], start_bytes=[40e6], stream_bytes=[2048.0], held_bytes=[60e6])
    for name, ms in (("direct", 0.25), ("nginx", 0.35), ("waypost", 1.5)):
        for work in ("latency", "first_token"):
            middle = {"ms_p50": [ms], "ms_p99": [2 * ms], "first_ms_p99": [ms]}
            seen += rows(work, name, **middle, sync_ms_p50=[1.0], sync_ms_p99=[1.0])
    for name, cost in (("few", 50.0), ("many", 55.0)):
        seen += rows("growth", name, cpu_us=[cost], start_seconds=[1.0], start_bytes=[90e6], size=["10,000 models"])
    return seen


def test_every_line_of_the_budget_has_its_figure() -> None:
    found = {figure.key: figure.value and figure.value.middle for figure in figures(everything(), pinned=True)}
    assert list(found) == [line.key for line in BUDGET]
    assert found == pytest.approx(
        {
            "whole": 2.0,
            "paced": 2.0,
            "burst": 2.0,
            "added_p50": 0.25,
            "added_p99": 1.5,
            "first_token_p99": 1.25,  # nothing is written before the first word, so the disk is no excuse
            "memory": 40.0,
            "stream": 2.0,
            "start": 0.4,
            "rate": 20_000.0,
            "growth": 1.1,
        }
    )


def test_what_was_not_measured_has_no_figure() -> None:
    assert [figure.value for figure in figures([], pinned=True)] == [None] * len(BUDGET)
    assert [figure.detail for figure in figures([], pinned=False)] == [""] * len(BUDGET)


def test_without_nginx_there_are_costs_but_no_ratios() -> None:
    alone = [row for row in everything() if row["gateway"] != "nginx"]
    found = {figure.key: figure for figure in figures(alone, pinned=True)}
    assert found["whole"].value is None
    assert found["whole"].detail == "waypost 50 µs"
    assert found["added_p50"].value is not None


def test_unpinned_nobody_had_one_core_alone() -> None:
    rate = next(figure for figure in figures(everything(), pinned=False) if figure.key == "rate")
    assert rate.value is None
    assert rate.detail == "waypost 20,000/s on all cores, nginx 40,000/s"


@pytest.mark.parametrize(
    ("shares", "how", "said"),
    [
        ({"gateway_share": [1.0], "load_share": [0.5], "upstream_share": [0.3]}, {"load_shares": True}, ""),
        ({"gateway_share": [0.7], "load_share": [0.6], "upstream_share": [0.38]}, {"load_shares": True}, "their core"),
        ({"gateway_share": [0.7], "load_share": [0.95], "upstream_share": [0.3]}, {"load_shares": False}, "generator"),
        ({"gateway_share": [0.7], "load_share": [0.6], "upstream_share": [0.95]}, {"load_shares": False}, "provider"),
        ({"gateway_share": [0.9], "load_share": [0.6], "upstream_share": [0.4]}, {"pinned": False}, "all 2 cores"),
        ({"gateway_share": [0.5], "load_share": [0.3], "upstream_share": [0.2]}, {}, "others used its core"),
        ({"gateway_share": [0.5], "load_share": [0.3], "upstream_share": [0.2]}, {"pinned": False}, ""),
    ],
)
def test_it_is_said_when_the_load_or_the_provider_is_the_bottleneck(shares, how, said) -> None:
    how = {"pinned": True, "load_shares": False, "cores": 2} | how
    found = bottlenecks(rows("whole", "nginx", **shares), **how)
    assert len(found) == bool(said)
    assert said in "".join(found)


def test_calls_that_could_not_be_sent_in_time_are_told() -> None:
    seen = rows("latency", "waypost", ms_p50=[1.0, 1.0], late=[0, 3])
    said = ["latency, waypost: 3 calls could not be sent in time"]
    assert bottlenecks(seen, pinned=True, load_shares=True, cores=2) == said
