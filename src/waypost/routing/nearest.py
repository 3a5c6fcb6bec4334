"""Did you mean …? Only ever asked on the way to a refusal, and bounded: a wrong id must not hold up everybody else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice
from typing import Final

NEAREST_MAX: Final = 3
CUTOFF: Final = 0.6
COMPARED_MAX: Final = 200
CHARACTERS_MAX: Final = 120
STEM_CHARACTERS: Final = 3


class Spellings:
    """Finds ids by how they are spelled.

    Comparing letter by letter with 10,000 ids takes a tenth of a second, so only those are compared that share
    something with the wrong one: the publisher, the whole name, or the first letters of either. In a small catalogue
    all are compared.
    """

    __slots__ = ("_all", "_by_trait")

    def __init__(self, ids: Iterable[str]) -> None:
        known = list(ids)
        self._all = known if len(known) <= COMPARED_MAX else []
        self._by_trait: defaultdict[str, list[str]] = defaultdict(list)
        for model_id in () if self._all else known:
            for trait in _traits(model_id):
                self._by_trait[trait].append(model_id)

    def nearest(self, wrong: str) -> list[str]:
        """At most three ids, best first; one that differs in case alone comes first."""
        wrong = wrong[:CHARACTERS_MAX].casefold()
        folded = {model_id.casefold(): model_id for model_id in self._all}
        for trait in _traits(wrong):
            room = COMPARED_MAX - len(folded)
            for model_id in islice(self._by_trait.get(trait, ()), room):
                folded.setdefault(model_id.casefold(), model_id)
        return [folded[match] for match in get_close_matches(wrong, folded, NEAREST_MAX, CUTOFF)]


def nearest_word(wrong: str, words: Iterable[str]) -> str | None:
    """The word spelled most like this one, if any is."""
    folded = {word.casefold(): word for word in words}
    close = get_close_matches(wrong[:CHARACTERS_MAX].casefold(), folded, 1, CUTOFF)
    return folded[close[0]] if close else None


def _traits(model_id: str) -> tuple[str, ...]:
    """What ids are found by, most telling first."""
    publisher, _, name = model_id.casefold().rpartition("/")
    return (f"={name}", f"^{name[:STEM_CHARACTERS]}", f"@{publisher}", f"^@{publisher[:STEM_CHARACTERS]}")
