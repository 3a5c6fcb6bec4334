"""A conversation on a terminal: lines in, answers out, and a few words that begin with a slash."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final, Protocol

from waypost.cli.exits import Exit, Stop
from waypost.cli.explanations import show_waybill
from waypost.cli.options import stop_of
from waypost.cli.router_calls import Router
from waypost.cli.screen import Screen, plain
from waypost.cli.talk_stream import Answer

PROMPT: Final = "> "
MORE: Final = "… "
HELP: Final = (
    ("/model [MODEL[:POLICY]]", "say who answers, or have another one answer from now on"),
    ("/system [TEXT]", "say, or set, what the model is told beforehand"),
    ("/why", "why the last answer came from where it came: its waybill"),
    ("/clear", "forget what was said so far"),
    ("/quit", "leave; so does Ctrl-D"),
)
END_OF_HELP: Final = "A line that ends in a backslash goes on in the next one; // begins a message with a slash."


class Asker(Protocol):
    """Asks a model."""

    router: Router
    screen: Screen
    model: str

    def ask(self, messages: list[dict[str, Any]]) -> Answer: ...
    def trouble_with(self, model: str) -> Stop | None: ...


class Conversation:
    """What was said so far, and what is said next."""

    def __init__(self, talk: Asker, system: str | None) -> None:
        self._talk = talk
        self._screen = talk.screen
        self._system = system
        self._said: list[dict[str, Any]] = []
        self._last: str | None = None
        """The last answer's request id."""
        self._commands: dict[str, Callable[[str], None]] = {
            "/model": self._use_model,
            "/system": self._use_system,
            "/why": self._why,
            "/clear": self._clear,
            "/help": self._help,
        }

    def run(self) -> int:
        """Go on until the person leaves. Raises Stop where there is no such model, before anything is typed."""
        trouble = self._trouble_with(self._talk.model)
        _edit_lines(sorted([*self._commands, "/quit"]))
        note = self._screen.note
        note(f"{plain(self._talk.model)} at {plain(self._talk.router.base)}")
        if trouble is not None:
            self._complain(trouble)
        note(self._screen.faint("/help lists what else can be said, Ctrl-D leaves."))
        interrupted = False
        while True:
            try:
                if interrupted:
                    interrupted = False
                    note("\n" + self._screen.faint("Ctrl-D or /quit leaves."))
                if not self._turn():
                    return Exit.FINE
            except KeyboardInterrupt:
                interrupted = True  # said above, where one more Ctrl-C does no harm

    def _turn(self) -> bool:
        """One line of the person's, and what comes of it; False when it was the last."""
        try:
            line = _line()
        except EOFError:
            self._screen.note("")
            return False
        if line.strip() in ("/quit", "/exit"):
            return False
        if line.strip():
            self._take(line)
        return True

    def _take(self, line: str) -> None:
        try:
            if line.startswith("/") and not line.startswith("//"):
                self._command(line)
            else:
                self._say(line.removeprefix("/") if line.startswith("//") else line)
        except Exception as error:
            stop = stop_of(error)
            if stop is None:
                raise
            self._complain(stop)

    def _command(self, line: str) -> None:
        word, _, rest = line.strip().partition(" ")
        command = self._commands.get(word)
        if command is None:
            self._screen.note(f"There is no {plain(word)}; /help lists what there is.")
        else:
            command(rest.strip())

    def _say(self, text: str) -> None:
        """Words that got no answer are not part of the conversation."""
        system = [{"role": "system", "content": self._system}] if self._system else []
        asked = {"role": "user", "content": text}
        answer = self._talk.ask([*system, *self._said, asked])
        self._last = answer.request_id or self._last
        if answer.text:
            self._said += [asked, {"role": "assistant", "content": answer.text}]

    def _use_model(self, text: str) -> None:
        trouble = self._trouble_with(text) if text else None
        self._talk.model = text or self._talk.model
        self._screen.note(f"{plain(self._talk.model)} {'answers from now on' if text else 'answers'}.")
        if trouble is not None:
            self._complain(trouble)

    def _trouble_with(self, model: str) -> Stop | None:
        """What would be said now instead of an answer; it may pass. Raises Stop for a slip, which never does."""
        trouble = self._talk.trouble_with(model)
        if trouble is not None and trouble.code is Exit.USAGE:
            raise trouble
        return trouble

    def _use_system(self, text: str) -> None:
        self._system = text or self._system
        self._screen.note(
            f"The model is told beforehand: {plain(self._system)}" if self._system else "It is told nothing."
        )

    def _why(self, _: str) -> None:
        if self._last is None:
            self._screen.note("Nothing was asked yet.")
        else:
            show_waybill(self._screen, self._talk.router.get(f"/v1/requests/{self._last}"))

    def _clear(self, _: str) -> None:
        self._said.clear()
        self._screen.note("What was said so far is forgotten.")

    def _help(self, _: str) -> None:
        wide = max(len(words) for words, _ in HELP)
        for words, meaning in HELP:
            self._screen.note(f"  {words.ljust(wide)}  {meaning}")
        self._screen.note(f"  {END_OF_HELP}")

    def _complain(self, stop: Stop) -> None:
        self._last = stop.request_id or self._last
        self._screen.note(f"{self._screen.alarm('waypost:')} {plain(stop.message)}")
        if stop.hint:
            self._screen.hint(plain(stop.hint))


def _line() -> str:
    """What the person wrote, lines that go on put together. Raises EOFError and KeyboardInterrupt."""
    line = input(PROMPT)
    while line.endswith("\\"):
        line = line[:-1] + "\n" + input(MORE)
    return line


def _edit_lines(words: list[str]) -> None:
    """Arrow keys and a history that ends with the conversation, where Python was built with readline."""
    try:
        readline: Any = importlib.import_module("readline")
    except ImportError:
        return

    def complete(text: str, state: int) -> str | None:
        fitting = [word for word in words if word.startswith(text)] if text.startswith("/") else []
        return fitting[state] if state < len(fitting) else None

    readline.set_completer_delims(" ")
    readline.set_completer(complete)
    readline.parse_and_bind("bind ^I rl_complete" if "libedit" in (readline.__doc__ or "") else "tab: complete")
