"""`waypost completion`: the scripts that teach a shell to complete our commands. click's own, made without a shell."""

from __future__ import annotations

from typing import Final

from click.shell_completion import ShellComplete, get_completion_class

from waypost.cli.main import waypost
from waypost.cli.options import Call

VARIABLE: Final = "_WAYPOST_COMPLETE"
NAME: Final = "waypost"
COLONS_IN_BASH: Final = {
    """    response=$(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD""": """\
    # bash breaks words at colons, as in MODEL:POLICY: put them together, and answer with what follows the last one.
    local word glued="" before="" words=()
    for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        if [[ ${#words[@]} -gt 0 && ( $word == :* || $glued ) ]]; then
            words[${#words[@]}-1]+=$word
        else
            words+=("$word")
        fi
        if [[ $word == *: ]]; then glued=1; else glued=""; fi
    done
    word=${words[${#words[@]}-1]}
    if [[ $word == *:* && $COMP_WORDBREAKS == *:* ]]; then before=${word%:*}:; fi

    response=$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]}-1))""",
    "COMPREPLY+=($value)": 'COMPREPLY+=("${value#"$before"}")',
}
"""What stands in click's script, and what has to."""


def print_script(call: Call, shell: str) -> None:
    """The script for a shell, on stdout."""
    call.screen.out(script(shell), end="")


def script(shell: str) -> str:
    """The script. bash's own class would first ask a bash for its version, and there may be none on this machine."""
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 (the grammar takes only shells that click knows)
    text = ShellComplete.source(kind(waypost, {}, NAME, VARIABLE)).rstrip() + "\n"
    if shell == "bash":
        for theirs, ours in COLONS_IN_BASH.items():
            text = text.replace(theirs, ours)
    return text
