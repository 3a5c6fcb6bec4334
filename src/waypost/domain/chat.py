"""What a caller asks for, parsed once at the door, and the units an answer is counted in."""

from __future__ import annotations

from enum import Flag, auto
from typing import Final, NamedTuple

BYTES_PER_TOKEN: Final = 4
"""Of usual text, about; JSON around it makes up for languages with fewer."""
EXPECTED_OUTPUT_TOKENS: Final = 512
"""What an answer is taken to come to before it is known."""


class Need(Flag):
    """What a request asks of an endpoint beyond plain text."""

    NOTHING = 0
    TOOLS = auto()
    STRUCTURED_OUTPUT = auto()
    IMAGES = auto()

    __hash__ = object.__hash__  # equal needs are one object, and plans are looked up by them on every call


class ChatRequest(NamedTuple):
    """One chat call as the door understood it.

    `body` is the caller's JSON object as it came; `fields` are its top-level values as raw JSON text, in the caller's
    order, so that what we do not read passes on byte for byte. Sizes are upper bounds that need no tokenizer:
    a byte-level token is at least one byte long.
    """

    model: str
    """`publisher/name`, without the tag; the provider's own id where the path pins a provider."""
    tag: str | None
    """What followed the colon: a policy or a provider's slug."""
    asked: str
    """The model exactly as the caller wrote it."""
    stream: bool
    wants_usage: bool
    """The caller sent `stream_options.include_usage`."""
    needs: Need
    input_tokens_max: int
    """Bound on prompt tokens: UTF-8 bytes of text and schemas and an overhead for each message and tool."""
    images: int
    output_tokens_max: int | None
    """What the caller capped the answer at, per choice."""
    choices: int
    fields: dict[str, bytes]
    pinned: str | None = None
    """Provider slug when the path pins one (`/{provider}/…`); then `model` is the provider's own id."""
    pinned_path: str | None = None
    """The provider's native path as the caller sent it, without the slug."""
    bill_to: str | None = None
    session_tag: str | None = None
    output_cap: int | None = None
    """How long an answer may get, in tokens a choice, where credits cap it and not the caller; it is sent upstream."""

    @property
    def input_tokens_expected(self) -> int:
        """About how many tokens the prompt's text has."""
        return self.input_tokens_max // BYTES_PER_TOKEN

    @property
    def output_tokens_expected(self) -> int:
        """About how many tokens the answer will have: all choices, within the caller's cap."""
        cap = self.output_tokens_max
        one = EXPECTED_OUTPUT_TOKENS if cap is None or cap > EXPECTED_OUTPUT_TOKENS else cap
        return one * self.choices


class Usage(NamedTuple):
    """Tokens by class, disjoint: `input` excludes `cached_input`, `output` excludes `reasoning`."""

    input: int
    cached_input: int
    output: int
    reasoning: int
    estimated: bool = False

    @property
    def output_total(self) -> int:
        """Every token the provider produced."""
        return self.output + self.reasoning

    @property
    def input_total(self) -> int:
        """Every token the provider read."""
        return self.input + self.cached_input
