from waypost.store.books import DataError, ledger_unavailable


def test_a_data_error_is_one_line_that_says_what_and_how_to_mend_it():
    assert str(DataError("The disk is full.", "Free some space.")) == "The disk is full. Free some space."


def test_what_could_not_be_written_is_a_503_that_says_when_to_come_back():
    problem = ledger_unavailable("database or disk is full")
    assert (problem.status, problem.code, problem.retry_after_seconds) == (503, "ledger_unavailable", 5)
    assert "disk is full" in problem.why
