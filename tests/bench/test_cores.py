from __future__ import annotations

import os
import subprocess
import sys

import pytest
from bench.cores import CAN_PIN, available, layout, placed
from bench.processes import PYTHON_PATH

ENV = {**os.environ, **PYTHON_PATH}  # noqa: TID251 (for the child)


@pytest.mark.parametrize(
    ("cores", "workers", "places"),
    [
        ([0, 1], 1, ({0}, {1}, {1})),
        ([2, 5, 7], 1, ({2}, {5}, {7})),
        ([0, 1, 2, 3], 2, ({0, 1}, {2}, {3})),
        ([0, 1, 2, 3], 8, ({0, 1, 2}, {3}, {3})),
    ],
)
def test_the_gateway_has_cores_of_its_own(cores, workers, places) -> None:
    found = layout(cores, workers, pinned=True, can_pin=True)
    assert found[:3] == places
    assert found.pinned
    assert found.load_shares == (places[1] == places[2])


@pytest.mark.parametrize(
    ("cores", "pinned", "can_pin", "said"),
    [([0, 1], False, True, ""), ([0], True, True, "one core"), ([0, 1], True, False, "this system cannot")],
)
def test_where_nothing_can_be_pinned_nothing_is_and_it_is_said(cores, pinned, can_pin, said) -> None:
    found = layout(cores, 1, pinned=pinned, can_pin=can_pin)
    assert found[:3] == (None, None, None)
    assert not found.pinned
    assert said in found.note
    assert bool(said) == bool(found.note)


def test_too_many_workers_for_the_cores_are_told() -> None:
    assert layout([0, 1], 4, pinned=True, can_pin=True).note == "4 workers shared 1 cores"


def test_processes_started_inside_stay_on_their_core() -> None:
    before = available()
    with placed(frozenset(before[-1:]) if CAN_PIN else None):
        inside = available()
        said = subprocess.check_output([sys.executable, "-c", "from bench.cores import *; print(available())"], env=ENV)
    assert said.decode().strip() == str(inside)
    assert len(inside) == 1 or not CAN_PIN
    assert available() == before
    with placed(None):
        assert available() == before
