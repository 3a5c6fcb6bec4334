"""Pieces instead of tokens, and dice that always fall the same way."""

from waypost.practice.words import Dice, count, pieces


def test_pieces_join_to_the_text_and_none_is_empty():
    for sample in ("", "  a b\n\nc!? ", "x" * 100, "žluť 🦜🦜", "\t\t", "a'b-c"):
        assert "".join(pieces(sample)) == sample
        assert all(pieces(sample))
        assert count(sample) == len(pieces(sample)) <= len(sample.encode())


def test_a_huge_text_is_counted_by_estimate():
    assert count("word " * 20_000) == 25_000
    assert count("word " * 100) == 101


def test_the_dice_fall_the_same_way_for_ever():
    dice = Dice("say", "hello", 7)
    assert [dice.below(100) for _ in range(5)] == [57, 84, 58, 19, 89]
    assert Dice("say", "hello", 7).digits(8) == Dice("say", "hello", 7).digits(8)


def test_the_dice_fall_evenly():
    dice = Dice("fair")
    counts = [0] * 6
    for _ in range(6000):
        counts[dice.below(6)] += 1
    assert all(850 < number < 1150 for number in counts)
    assert 0.45 < sum(dice.share() for _ in range(1000)) / 1000 < 0.55


def test_other_content_falls_otherwise():
    assert Dice("a", "b").digits(16) != Dice("ab").digits(16)
