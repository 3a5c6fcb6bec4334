"""A client for the length of a command, and what its failures mean."""

from __future__ import annotations

import pytest
from played import played_at

from waypost.cli.calling_out import call_out, exit_of_failure
from waypost.cli.options import Where
from waypost.cli.whereabouts import settings_at
from waypost.domain.problems import Failed
from waypost.providers.addresses import Address
from waypost.providers.fetch import fetch


@pytest.mark.parametrize(
    ("failed", "exit_code"),
    [
        (Failed("provider_failed", "m", extra={"trouble": "connect"}), 4),
        (Failed("provider_failed", "m", extra={"trouble": "dns"}), 4),
        (Failed("provider_timeout", "m"), 4),
        (Failed("provider_failed", "m", extra={"status": 500}), 7),
        (Failed("provider_refused_key", "m", extra={"status": 401}), 7),
        (Failed("provider_failed", "m"), 7),
    ],
)
def test_who_answered_wrongly_is_told_from_who_did_not_answer(failed, exit_code) -> None:
    assert exit_of_failure(failed) == exit_code


def test_work_is_done_with_a_client_that_is_closed_afterwards(tmp_path) -> None:
    """Sockets left open fail every test of this house."""
    settings = settings_at(Where(config=None, data=tmp_path))
    with played_at(x={"a": 1}) as server:
        address = Address("http", "127.0.0.1", int(server.url.rpartition(":")[2]), allow_private=True)
        assert call_out(settings, lambda upstream: fetch(upstream, address, "/x")).value == {"a": 1}


def test_a_proxy_of_the_settings_is_used(tmp_path) -> None:
    with played_at() as proxy:
        config = tmp_path / "waypost.toml"
        config.write_text(f'[proxy]\nurl = "{proxy.url}"\ntrusted = true\n')
        address = Address("http", "provider.example.com", 80, allow_private=False)
        with pytest.raises(Failed):
            call_out(settings_at(Where(config=config)), lambda upstream: fetch(upstream, address, "/x"))
    assert b"provider.example.com" in proxy.asked[0]
