from __future__ import annotations

import json

import pytest
from bench.driving import checked, drive, holding
from bench.load import Order, Route
from bench.targets import Speech, TargetFailed, canned, free_port


def order(**more) -> Order:
    return Order([Route("nginx", 80, ["GET / HTTP/1.1\r\n\r\n"], stream=False)], 1, **more)


@pytest.mark.parametrize("figures", [{"calls": 5, "bad": {"503": 1}}, {"calls": 0, "bad": {}}])
def test_a_gateway_that_answers_anything_but_200_has_failed(figures) -> None:
    with pytest.raises(TargetFailed, match="nginx answered"):
        checked(json.dumps({"routes": {"nginx": figures}}).encode(), order())


def test_a_load_that_cannot_call_says_whom(capfd) -> None:
    nobody = Order([Route("nginx", free_port(), ["x"], stream=False)], 1, 0.1)
    with pytest.raises(TargetFailed, match="could not call nginx"):
        drive(nobody, None)
    assert "ConnectionRefused" in capfd.readouterr().err


def test_streams_are_held_while_the_block_runs(tmp_path) -> None:
    with canned(tmp_path, None) as provider:
        route = Route("direct", provider.port, [Speech().request("idle")], stream=True)
        with holding(Order([route], 20, hold=True), None) as streams:
            assert streams == 20
        result = drive(Order([provider.route("whole")], 2, 0.1), None)
    assert result["routes"]["direct"]["calls"] > 2
