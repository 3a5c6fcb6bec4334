"""A till of plain numbers for tests of holds: what is free of each counter, and who must be asked."""

from __future__ import annotations

from waypost.domain.payers import Payer
from waypost.store.books import Counter, Verdict


class Purses:
    """Counters by key. Those in `elsewhere` are decided by somebody else: only `take` can tell."""

    def __init__(self, elsewhere: tuple[str, ...] = (), **free: int) -> None:
        self.left = {key.replace("__", ":"): amount for key, amount in free.items()}
        self.elsewhere = elsewhere
        self.asked: list[int] = []

    def free(self, counter: Counter) -> int | None:
        return None if counter.key in self.elsewhere else self.left[counter.key]

    def try_take(self, counter: Counter, amount: int) -> Verdict | None:
        return None if counter.key in self.elsewhere else self._take(counter, amount)

    async def take(self, counter: Counter, amount: int) -> Verdict:
        self.asked.append(amount)
        return self._take(counter, amount)

    def give(self, counter: Counter, amount: int) -> None:
        self.left[counter.key] += amount

    def _take(self, counter: Counter, amount: int) -> Verdict:
        left = self.left[counter.key]
        if amount > left:
            return Verdict(False, left, 0)
        self.left[counter.key] = left - amount
        return Verdict(True, left - amount, 0)


class NewPurse:
    """Where standing counters begin that nobody used yet. `begins`: key → what is used, and the limit."""

    def __init__(self, **begins: tuple[int, int | None]) -> None:
        self.begins = {key.replace("__", ":"): begin for key, begin in begins.items()}

    def begin(self, key: str) -> tuple[int, int | None]:
        return self.begins.get(key, (0, None))

    def touched(self, key: str) -> int:
        return 0


def payer(**facts: object) -> Payer:
    return Payer(**{"type": "user", "id": 1, "name": "ada", "account": "user:1", **facts})  # type: ignore[arg-type]
