"""Small real parts for tests of routing and identity: a catalogue of a few endpoints, callers, a clock and dice."""

from __future__ import annotations

from typing import Any

from waypost.domain.callers import INFERENCE, Caller, Token, User
from waypost.domain.chat import ChatRequest, Need
from waypost.domain.endpoints import Endpoint, Model, Preferences, Provider
from waypost.domain.money import Price
from waypost.domain.own_keys import OwnKey, OwnKeys
from waypost.domain.payers import Payer, Terms
from waypost.domain.pulse import CallResult
from waypost.routing.catalogue import Catalogue
from waypost.routing.planner import Planner, PlannerSettings
from waypost.routing.pulse import Pulse

START_MS = 1_790_000_000_000
SERVED = CallResult("served", first_word_ms=100.0, output_tokens=100, output_ms=1000.0)
FAILED = CallResult("failure", "reset")


class Clock:
    """Unix milliseconds that move when told."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms

    def pass_seconds(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1000)


class Dice:
    """Always the same throw, until set; 0.99 explores nothing."""

    def __init__(self, value: float = 0.99) -> None:
        self.value = value

    def __call__(self) -> float:
        return self.value


def usd(input_usd: float, output_usd: float) -> Price:
    return Price(int(input_usd * 1e9), int(output_usd * 1e9))


def provider(slug: str, **more: Any) -> Provider:
    return Provider(slug, f"http://127.0.0.1:9/{slug}/v1", **{"keyless": True, **more})


def endpoint(slug: str, model: str = "acme/one", **more: Any) -> Endpoint:
    return Endpoint(model, slug, more.pop("id", f"{model.rpartition('/')[2]}-at-{slug}"), **more)


def model(*endpoints: Endpoint | str, name: str = "acme/one", **more: Any) -> Model:
    return Model(name, tuple(endpoint(e, name) if isinstance(e, str) else e for e in endpoints), **more)


def caller(preferences: Preferences | None = None, **token: Any) -> Caller:
    user = User(1, "ada", preferences=preferences or Preferences())
    secretless = Token(1, b"", 1, "laptop", "write", "abcd", 0, **token)
    return Caller(user, secretless, frozenset([INFERENCE]))


def payer(terms: Terms | None = None) -> Payer:
    """A user, or an organisation that says something about routes."""
    if terms is None:
        return Payer("user", 1, "ada", "user:1")
    return Payer("organisation", 3, terms.organisation, "org:3", (), terms.preferences, terms.rules, terms)


def ask(model: str = "acme/one", tag: str | None = None, **more: Any) -> ChatRequest:
    asked = model if tag is None else f"{model}:{tag}"
    plain: dict[str, Any] = {"input_tokens_max": 400, "output_tokens_max": None, "needs": Need.NOTHING, "images": 0}
    return ChatRequest(
        model=model, tag=tag, asked=asked, stream=True, wants_usage=False, choices=1, fields={}, **{**plain, **more}
    )


class Crossroads:
    """A planner with everything around it."""

    def __init__(self, *models: Model, settings: PlannerSettings | None = None, **providers: Provider) -> None:
        self.clock = Clock()
        self.dice = Dice()
        self.pulse = Pulse(self.clock)
        self.who = caller()
        slugs = {e.provider for m in models for e in m.endpoints}
        rows = [providers.get(slug) or provider(slug) for slug in sorted(slugs)]
        rows += [row for slug, row in providers.items() if slug not in slugs]
        self.catalogue = Catalogue.build(rows, models, "v1")
        self.own_keys: dict[str, OwnKeys] = {}
        self.planner = Planner(self.catalogue, self.pulse, self.clock, self.dice, settings, self.own_keys)

    def plan(self, tag: str | None = None, who: Caller | None = None, model: str = "acme/one", **more: Any) -> Any:
        pays = payer(more.pop("terms", None))
        return self.planner.plan(ask(model, tag, **more), who or self.who, pays)

    def order(self, *args: Any, **more: Any) -> list[str]:
        return [candidate.provider.slug for candidate in self.plan(*args, **more).order]

    def excluded(self, *args: Any, **more: Any) -> dict[str, str]:
        return {exclusion.provider: exclusion.reason for exclusion in self.plan(*args, **more).excluded}

    def end(self, slug: str, *results: CallResult, model: str = "acme/one") -> None:
        for result in results:
            self.pulse.started((model, slug))
            self.pulse.ended((model, slug), result)

    def give_key(self, slug: str, key: str | None = "own-secret", owner: str = "user:1", **more: Any) -> None:
        """The owner's own key for a provider."""
        address = more.pop("base_url", self.catalogue.providers[slug].base_url)
        before = self.own_keys.get(owner)
        keys = {} if before is None else dict(before.by_provider)
        self.own_keys[owner] = OwnKeys(owner, keys | {slug: OwnKey(f"{slug} of mine", address, key)})

    def break_circuit(self, slug: str) -> None:
        self.end(slug, *[FAILED] * 5)
