"""Every write command, each room's in one table. A command runs in a savepoint of its batch's transaction."""

from __future__ import annotations

import logging
from typing import Any, Final

import msgspec

from waypost.domain.problems import Failed, Problem
from waypost.domain.pulse import PulseDelta
from waypost.store import keyed_calls, organisations, people, provider_keys
from waypost.store.credits import COMMANDS as CREDITS
from waypost.store.desk import Command, Commands, Desk, invalid
from waypost.store.late import COMMANDS as LATE
from waypost.store.readings_table import save_readings
from waypost.store.replay import COMMANDS as REPLAY
from waypost.store.sql import EngineTrouble, Unstorable
from waypost.store.sweeping import begin_epoch

log = logging.getLogger("waypost.store")
BUG_FIX: Final = "This is a bug of ours; the operator's log has more."


class PulseArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of pulse.save."""

    readings: list[PulseDelta]


class EpochArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arguments of epoch.begin."""

    id: int


def note_epoch(desk: Desk, args: EpochArgs) -> None:
    """A process that will hold credits has come."""
    begin_epoch(desk.sql, desk.now_ms, args.id)


def save_pulse(desk: Desk, args: PulseArgs) -> None:
    """Keep endpoint readings for the next start."""
    save_readings(desk.sql, args.readings, desk.now_ms)


COMMANDS: Final[Commands] = {
    "pulse.save": Command(PulseArgs, save_pulse),
    "epoch.begin": Command(EpochArgs, note_epoch),
    **people.COMMANDS,
    **CREDITS,
    **LATE,
    **REPLAY,
    **organisations.COMMANDS,
    **provider_keys.COMMANDS,
    **keyed_calls.COMMANDS,
}


def run_command(desk: Desk, name: str, args: dict[str, Any]) -> Any:
    """Run a command in a savepoint, so that its failure undoes only itself. Raises Problem."""
    command = COMMANDS.get(name)
    if command is None:
        raise invalid("command", f"There is no command {name!r}.", fix=f"Known: {', '.join(COMMANDS)}.")
    try:
        parsed = msgspec.convert(args, command.args, strict=True, from_attributes=True)
    except msgspec.ValidationError as error:
        raise invalid("args", f"The arguments of {name} do not fit.", why=str(error)) from None
    try:
        with desk.sql.savepoint():
            return command.run(desk, parsed)
    except Unstorable as error:
        raise invalid("args", f"The arguments of {name} cannot be stored.", why=str(error)) from None


def outcome_of(desk: Desk, name: str, args: dict[str, Any]) -> Any:
    """The result, or the Problem instead of it: nobody's command may take the batch with it. Raises EngineTrouble."""
    kept = desk.mark()
    try:
        return run_command(desk, name, args)
    except Problem as problem:
        desk.back_to(kept)
        return problem
    except EngineTrouble:
        raise
    except Exception as error:
        desk.back_to(kept)
        log.exception("the command %s went wrong", name)
        return Failed("internal_error", f"The command {name} went wrong.", why=str(error), fix=BUG_FIX)
