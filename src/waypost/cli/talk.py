"""`waypost chat`: one answer, and the way into a conversation."""

from __future__ import annotations

import json
import sys
from typing import Any, NamedTuple

from waypost.cli.access import router_for
from waypost.cli.amounts import count, duration, rate, usd
from waypost.cli.exits import Exit, Stop
from waypost.cli.explanations import EXPLAIN_PATH
from waypost.cli.options import Call, stop_of, usage_error
from waypost.cli.router_calls import Router, problem_of
from waypost.cli.screen import Screen, plain, plain_lines
from waypost.cli.talk_repl import Conversation
from waypost.cli.talk_stream import Answer, Piece, stream_answer, whole_answer


class Manner(NamedTuple):
    """How to talk."""

    stream: bool
    raw: bool


def chat(call: Call, *, prompt: tuple[str, ...], model: str | None, system: str | None, stream: bool, raw: bool) -> int:
    """One answer, or a conversation where nobody said what to ask and there is a person to ask."""
    words = " ".join(prompt)
    here = sys.stdin.isatty() and sys.stdout.isatty()
    if not words and not sys.stdin.isatty():
        words = sys.stdin.read()
    if not words.strip() and not (here and not prompt):
        raise usage_error("There is nothing to ask.", 'Give a prompt: waypost chat "Hello!"')
    screen = call.screen if call.screen.style != "tsv" else call.screen._replace(style="human")
    router = router_for(call.where)
    talk = Talk(router, screen, Manner(stream, raw), model or first_model(router))
    if not words.strip():
        return Conversation(talk, system).run()
    messages = [{"role": "system", "content": system}] if system else []
    answer = talk.ask([*messages, {"role": "user", "content": words}])
    return Exit.INTERRUPTED if answer.stopped else Exit.FINE


def first_model(router: Router) -> str:
    """A model that can be called, where none was named. Raises Stop."""
    for entry in router.get("/v1/models")["data"]:
        if any(row.get("callable", row["status"] == "live") for row in entry["providers"]):
            return str(entry["id"])
    raise Stop(Exit.NOT_WELL, "No model can be called here.", "`waypost doctor` says what is missing.")


class Talk:
    """Asks one model at a time, and shows what it says."""

    def __init__(self, router: Router, screen: Screen, manner: Manner, model: str) -> None:
        self.router = router
        self.screen = screen
        self.model = model
        self._manner = manner
        self._thinking = False

    def ask(self, messages: list[dict[str, Any]]) -> Answer:
        """Have the answer shown as it comes. Ctrl-C ends it early. Raises Problem and Stop."""
        answer = Answer()
        body = {"model": self.model, "messages": messages}
        ask = stream_answer if self._manner.stream else whole_answer
        self._thinking = False
        try:
            ask(self.router, body, answer, self._show)
        except KeyboardInterrupt:
            answer.stopped = True
        except Exception:
            self._end_line(answer)
            raise
        self._tell(answer)
        return answer

    def trouble_with(self, model: str) -> Stop | None:
        """What the router would refuse a question to this model with. Nobody is asked. Raises Problem and Stop."""
        bill = self.router.post(
            EXPLAIN_PATH, {"model": model, "messages": [{"role": "user", "content": "Hello!"}]}
        ).value
        if bill["would_succeed"]:
            return None
        refused = bill["refused_by"]
        return stop_of(problem_of({"error": {**refused, "fix": bill["fix"]}}, refused["status"]))

    def _show(self, piece: Piece) -> None:
        if self.screen.style == "json":
            return
        if self._manner.raw:
            if not piece.thought:
                self.screen.out(piece.text, end="")
        elif piece.thought:
            self._think(plain_lines(piece.text))
        else:
            self._stop_thinking()
            self.screen.out(plain_lines(piece.text), end="")
        self.screen.flush()

    def _think(self, text: str) -> None:
        """Thoughts are no data."""
        if self.screen.human:
            self._thinking = True
            self.screen.note(self.screen.faint(text), end="")

    def _stop_thinking(self) -> None:
        if self._thinking:
            self._thinking = False
            self.screen.note("\n")

    def _tell(self, answer: Answer) -> None:
        if self.screen.style == "json":
            self.screen.json(as_json(answer, self.model))
            return
        for tool in answer.tool_calls:
            self.screen.out(plain(json.dumps(tool, ensure_ascii=False)))
        self._end_line(answer)
        if self.screen.human and not self._manner.raw:
            self.screen.note(self.screen.faint(summary(answer)))

    def _end_line(self, answer: Answer) -> None:
        self._stop_thinking()
        if answer.text and not self._manner.raw and self.screen.style != "json" and not answer.text.endswith("\n"):
            self.screen.out()


def summary(answer: Answer) -> str:
    """Who answered, how fast, how much, at what cost, and under which id; what is not known is left out."""
    read, wrote = answer.usage.get("prompt_tokens"), answer.usage.get("completion_tokens")
    first = f"first word {duration(answer.first_word_ms)}" if answer.first_word_ms is not None else ""
    parts = [
        "stopped" if answer.stopped else "",
        answer.provider,
        first or duration(answer.ms),
        f"{rate(answer.tokens_per_s)} tokens/s" if answer.tokens_per_s is not None else "",
        f"{count(read)} + {count(wrote)} tokens" if answer.usage else "",
        usd(answer.cost_nano_usd) if answer.cost_nano_usd is not None else "",
        "cut at its length" if answer.finish_reason == "length" else "",
        answer.request_id,
    ]
    return " · ".join(plain(part) for part in parts if part)


def as_json(answer: Answer, model: str) -> dict[str, Any]:
    """Everything about an answer."""
    return {
        "model": model,
        "text": answer.text,
        "tool_calls": answer.tool_calls,
        "finish_reason": answer.finish_reason,
        "stopped": answer.stopped,
        "provider": answer.provider or None,
        "request_id": answer.request_id or None,
        "usage": answer.usage or None,
        "cost_nano_usd": answer.cost_nano_usd,
        "first_word_ms": None if answer.first_word_ms is None else round(answer.first_word_ms, 3),
        "ms": round(answer.ms, 3),
        "output_tokens_per_s": None if answer.tokens_per_s is None else round(answer.tokens_per_s, 1),
    }
