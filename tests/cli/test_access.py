"""The command line's own token: made for the server of one's own folder, kept, renewed, and shown to nobody else."""

from __future__ import annotations

import json
import stat

import pytest
from commandline import waypost
from played import played, reply

from waypost.cli.access import kept, token_for
from waypost.cli.exits import Stop
from waypost.cli.options import Where
from waypost.cli.whereabouts import Destination


def test_a_call_works_without_a_token_where_the_folder_is_ours(cli, served) -> None:
    path = served.data / "cli-token"
    path.unlink(missing_ok=True)
    assert cli("chat", "hi").code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = path.read_text()
    assert cli("chat", "hi").code == 0
    assert path.read_text() == first, "it is kept while it lasts"
    told = cli("tokens", "show", "command-line", "--format", "json").data
    assert (told["kind"], told["permissions"]) == ("fineGrained", ["inference.serverless.write"])
    assert told["expires_at"] is not None


def test_a_token_that_was_revoked_or_lost_is_made_anew(cli, served) -> None:
    path = served.data / "cli-token"
    assert cli("chat", "hi").code == 0
    assert cli("tokens", "revoke", "command-line").code == 0
    assert cli("chat", "hi").code == 0
    path.unlink()
    assert cli("chat", "hi").code == 0
    live = [row for row in cli("tokens", "list", "--format", "json").data if row["name"] == "command-line"]
    assert len(live) == 1, "the one before it is revoked"


def test_another_address_is_never_shown_the_token_of_our_server(served) -> None:
    with played(reply({"data": []})) as other:
        done = waypost("models", "list", "--url", other.url, WAYPOST_DATA=str(served.data))
    assert done.code == 0
    assert b"authorization" not in other.asked[0].lower()


def test_a_token_that_was_given_is_used_and_none_is_made(tmp_path) -> None:
    to = Destination("http://x", tmp_path)
    assert token_for(Where(token=" wp_given\n"), to).secret == "wp_given"
    assert not list(tmp_path.iterdir())
    assert token_for(Where(), Destination("http://x")).secret is None


@pytest.mark.parametrize("text", ["wp_é", "wp_a\x1bb", "wp_a\nb"])
def test_what_no_header_can_hold_is_refused_here(text) -> None:
    with pytest.raises(Stop) as stopped:
        token_for(Where(token=text), Destination("http://x"))
    assert stopped.value.code == 5
    assert text not in stopped.value.message


@pytest.mark.parametrize(
    "text", ["", "[]", '{"token": "a"}', '{"token": "a", "expires_at": 1}', '{"token": "a", "expires_at": "soon"}']
)
def test_a_kept_token_that_is_over_or_unreadable_is_none(tmp_path, text) -> None:
    (tmp_path / "cli-token").write_text(text)
    assert kept(tmp_path) is None
    (tmp_path / "cli-token").write_text(json.dumps({"token": "a", "expires_at": 10_000_000_000}))
    assert kept(tmp_path) == "a"


def test_a_wrong_token_is_refused_with_exit_5_and_not_repeated(cli) -> None:
    secret = "wp_" + "0" * 33
    done = cli("chat", "hi", "--token", secret)
    assert done.code == 5
    assert "hint: " in done.err
    assert secret not in done.err
