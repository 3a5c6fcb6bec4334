import pytest

from waypost.store.books import DataError
from waypost.store.migrations import refuse_newer, refuse_older, shipped


@pytest.mark.parametrize("package", ["waypost.store.sqlite", "waypost.store.postgres"])
def test_shipped_migrations_are_numbered_without_gaps(package):
    steps = shipped(package)
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    assert all(step.sql.startswith("--") for step in steps), "each says what it is for"


def test_both_engines_go_the_same_steps():
    assert [step.number for step in shipped("waypost.store.sqlite")] == [
        step.number for step in shipped("waypost.store.postgres")
    ]


def test_other_versions_are_refused_with_what_to_do():
    refuse_newer(2, 2, "here")
    refuse_older(2, 2, "here")
    with pytest.raises(DataError, match="The data in here is version 3, written by a newer Waypost; this one knows 2"):
        refuse_newer(3, 2, "here")
    with pytest.raises(DataError, match="Start `waypost serve` with this version once"):
        refuse_older(1, 2, "here")
