from __future__ import annotations

from waypost.providers.drains import Drains


class Answer:
    """Remembers being let go."""

    def __init__(self, drains):
        self.drains = drains
        self.ended = False

    def let_go(self):
        self.ended = True
        self.drains.drop(self)


def test_only_so_many_answers_are_read_for_nobody():
    drains = Drains(2)
    answers = [Answer(drains) for _ in range(3)]
    assert [drains.take(answer) for answer in answers] == [True, True, False]
    drains.drop(answers[0])
    assert drains.take(answers[2])
    assert len(drains) == 2


def test_dropping_what_is_not_there_is_nothing():
    drains = Drains(1)
    drains.drop(Answer(drains))
    assert len(drains) == 0


def test_the_end_of_the_process_waits_for_none_of_them():
    drains = Drains()
    answers = [Answer(drains) for _ in range(3)]
    for answer in answers:
        drains.take(answer)
    drains.close()
    assert all(answer.ended for answer in answers)
    assert len(drains) == 0
