"""What the practice models say: one rule a kind of prompt, asked in order, and voices for everything else."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Final, NamedTuple

from waypost.practice.asked import Asked
from waypost.practice.words import Dice

_COUNT_MAX: Final = 10_000
_WORDS_MAX: Final = 200_000
_ECHO: Final = re.compile(r"\s*echo:[ \t]?(.*)", re.IGNORECASE | re.DOTALL)
_EXACTLY: Final = re.compile(
    r"\b(?:reply|answer|respond|say)\s+(?:with\s+)?(?:exactly|only|just):?\s+(?:the words?:?\s+)?(\S.*)",
    re.IGNORECASE | re.DOTALL,
)
_AND_NO_MORE: Final = re.compile(r",?\s*(?:and|with) nothing (?:else|more)\b.*", re.IGNORECASE)
_QUOTED: Final = re.compile(r"""(["'`“])(.+?)["'`”]""", re.DOTALL)
_SUM: Final = re.compile(r"(?<![\w.])(-?\d{1,12})\s*([-+*/x\u00d7\u00f7])\s*(-?\d{1,12})(?![\w.])")
_SIGNS: Final = {"x": "*", "\u00d7": "*", "\u00f7": "/"}
_COUNT_TO: Final = re.compile(r"\bcount (?:from 1 )?to (\d{1,6})\b", re.IGNORECASE)
_LONG: Final = re.compile(r"\b(\d{1,6})[ -]words?\b", re.IGNORECASE)
_GREETING: Final = re.compile(r"\s*(?:hi|hello|hey|good (?:morning|evening|day)|greetings)\b", re.IGNORECASE)
_TOPIC: Final = re.compile(r"[^\W\d_][\w'-]{3,}")
_PLAIN: Final = re.compile(
    r"what|when|where|which|this|that|with|from|have|does|about|please|tell|explain|write|give|your|could|would|should"
    r"|there|their|they|make|help|need|want|some|into|describe|image|images|picture|pictures|these|them|over|under",
    re.IGNORECASE,
)


class Voice(NamedTuple):
    """How a model talks when no rule knows better."""

    name: str
    openings: tuple[str, ...]
    thoughts: tuple[str, ...]
    closings: tuple[str, ...]


VOICES: Final = (
    Voice(
        "parrot",
        ("You said {topic}, so I say {topic}.", "{topic}? {topic}! I like the sound of it."),
        (
            "A parrot repeats what it hears, and I heard every word.",
            "I have turned it over twice and it is still {topic}.",
            "Say it slowly and it is half understood already.",
        ),
        ("Shall I say it again?", "Ask me more and I will repeat that too."),
    ),
    Voice(
        "sage",
        ("On {topic}, begin with what you can check.", "The short answer about {topic} is: it depends on the measure."),
        (
            "First name the thing, then count it, and only then judge it.",
            "What works once is an anecdote; what works twice is a habit.",
            "A small experiment settles more than a long argument.",
            "Look for the case that would prove you wrong, and try that one first.",
        ),
        ("Start small and write down what you see.", "When in doubt, measure."),
    ),
    Voice(
        "painter",
        ("I would paint {topic} in three colours.", "Picture {topic} in the light of early morning."),
        (
            "Put the darkest tone first, and the rest falls into place.",
            "Leave some of the paper empty, because that is where the eye rests.",
            "A warm line beside a cold one looks alive.",
        ),
        ("That is the sketch; the colours are yours.", "Step back two paces and it is finished."),
    ),
    Voice(
        "",
        ("Here is a short answer about {topic}.", "Let us look at {topic}."),
        (
            "It helps to split the question into parts and take the smallest one first.",
            "Most of it follows from what you already know.",
            "Two things matter here: what you want to happen, and how you would notice.",
            "A worked example says more than a definition.",
            "If the first attempt fails, the way it fails is the next clue.",
        ),
        ("I am a practice model, so take the wording as a placeholder.", "Tell me more and I can be more exact."),
    ),
)


def say(asked: Asked, dice: Dice) -> str:
    """The answer in plain text."""
    return next(text for rule in RULES if (text := rule(asked, dice)) is not None)


def ponder(asked: Asked, dice: Dice, sentences: int) -> str:
    """What a model that reasons thinks first."""
    voice = voice_of(asked.model)
    thoughts = [f"The question is about {topic_of(asked)}."]
    first = dice.below(len(voice.thoughts))
    thoughts += [
        voice.thoughts[(first + more) % len(voice.thoughts)].format(topic="that") for more in range(1, sentences)
    ]
    return " ".join(thoughts)


def voice_of(model: str) -> Voice:
    """The voice whose name is in the model's id; the last one fits all."""
    return next(voice for voice in VOICES if voice.name in model.lower())


def topic_of(asked: Asked) -> str:
    """The few telling words of the prompt."""
    words = [word for word in _TOPIC.findall(asked.prompt[:2000]) if not _PLAIN.fullmatch(word)]
    return " ".join(words[:4]) or "that"


def _after_tools(asked: Asked, _dice: Dice) -> str | None:
    """Repeats what the tools just answered."""
    if asked.messages[-1].role not in ("tool", "function"):
        return None
    last = next((at for at in range(len(asked.messages) - 1, -1, -1) if asked.messages[at].role == "assistant"), -1)
    calls = (asked.messages[last].tool_calls or []) if last >= 0 else []
    names = {call.id: call.function.name for call in calls}
    results = asked.messages[last + 1 :]
    said = [
        f"{result.name or names.get(result.tool_call_id or '', 'The tool')} answered {result.text.strip()}."
        for result in results
        if result.role in ("tool", "function")
    ]
    return " ".join(said)


def _echo(asked: Asked, _dice: Dice) -> str | None:
    found = _ECHO.match(asked.prompt)
    return found.group(1) if found else None


def _exactly(asked: Asked, _dice: Dice) -> str | None:
    """`Reply with exactly OK`: the quoted text, else the rest of the line without its full stop."""
    found = _EXACTLY.search(asked.prompt)
    if not found:
        return None
    rest = found.group(1)
    quoted = _QUOTED.match(rest)
    return quoted.group(2) if quoted else _AND_NO_MORE.sub("", rest.splitlines()[0]).rstrip(" .") or rest


def _images(asked: Asked, _dice: Dice) -> str | None:
    if not asked.images:
        return None
    seen = "1 image" if asked.images == 1 else f"{asked.images} images"
    return f"I saw {seen}. You asked about {topic_of(asked)}, and a practice model can only count what it sees."


def _sum(asked: Asked, _dice: Dice) -> str | None:
    found = _SUM.search(asked.prompt[:10_000])
    if not found:
        return None
    left, sign, right = Fraction(found.group(1)), found.group(2), Fraction(found.group(3))
    if sign in "/\u00f7" and not right:
        return f"{left} {sign} {right} has no answer."
    result = {
        "+": left + right,
        "-": left - right,
        "*": left * right,
        "/": left / (right or 1),
    }[_SIGNS.get(sign, sign)]
    return f"{left} {sign} {right} = {result if result.denominator == 1 else f'{float(result):.6g}'}"


def _count_to(asked: Asked, _dice: Dice) -> str | None:
    found = _COUNT_TO.search(asked.prompt)
    return ", ".join(map(str, range(1, min(int(found.group(1)), _COUNT_MAX) + 1))) if found else None


def _long(asked: Asked, dice: Dice) -> str | None:
    """`Write 500 words about …`: exactly that many."""
    found = _LONG.search(asked.prompt)
    if not found:
        return None
    wanted = min(int(found.group(1)), _WORDS_MAX)
    thoughts = [thought.format(topic=topic_of(asked)) for voice in VOICES for thought in voice.thoughts]
    words: list[str] = []
    while len(words) < wanted:
        words += dice.pick(thoughts).split()
    text = " ".join(words[:wanted])
    return text if text.endswith(".") or not text else text.rstrip(",;:") + "."


def _greeting(asked: Asked, _dice: Dice) -> str | None:
    if not _GREETING.match(asked.prompt):
        return None
    name = voice_of(asked.model).name or "a practice model"
    return f"Hello! I am {name}. My words are made up, but the way they took to you is real. How can I help?"


def _in_own_voice(asked: Asked, dice: Dice) -> str:
    voice = voice_of(asked.model)
    first = dice.below(len(voice.thoughts))
    thoughts = (voice.thoughts * 2)[first : first + 2]
    topic = topic_of(asked)
    text = " ".join([dice.pick(voice.openings), *thoughts, dice.pick(voice.closings)]).format(topic=topic)
    return text[0].upper() + text[1:]


RULES: Final[tuple[Callable[[Asked, Dice], str | None], ...]] = (
    _after_tools,
    _echo,
    _exactly,
    _images,
    _sum,
    _count_to,
    _long,
    _greeting,
    _in_own_voice,
)
