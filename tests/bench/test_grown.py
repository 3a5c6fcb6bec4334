from __future__ import annotations

import os
from pathlib import Path

from bench.grown import ENDPOINTS, Size, make, settings
from bench.targets import Running, Speech

from waypost.app import build_catalogue
from waypost.identity.pepper import read_pepper
from waypost.identity.registry import Identity
from waypost.settings import load
from waypost.store.reader import Reader

SIZE = Size(30, 25, 400)


def test_a_grown_installation_knows_its_callers_models_and_waybills(tmp_path) -> None:
    installation = make(tmp_path / "many", SIZE)
    data = installation.folder / "data"
    reader = Reader(data)
    identity = Identity(read_pepper(data), lambda: 0)
    identity.load(reader.users(), reader.tokens())
    users = {identity.who(b"Bearer " + secret.encode()).user.name for secret in installation.secrets}
    assert users == {"caller-0", "caller-1", "caller-2"}
    assert reader.counts()["requests"] == SIZE.waybills

    file = tmp_path / "waypost.toml"
    file.write_text(settings(81))
    read = load(file, {}, {"store.data_folder": str(data)})
    catalogue, notes = build_catalogue(read, None)
    assert notes == ()
    assert len(catalogue.models) == SIZE.models + 1
    assert len(catalogue.models["grown/model-29"].endpoints) == ENDPOINTS


def test_calls_are_spread_as_people_use_things(tmp_path) -> None:
    installation = make(tmp_path / "few", Size(10, 10, 0))
    route = installation.route(Running("few", 81, os.getpid(), Speech()))
    calls = [sum(f'"grown/model-{number}"' in request for request in route.requests) for number in (0, 9)]
    assert calls[0] > 4 * calls[1] > 0
    assert Path(installation.folder / "token").read_text() == installation.secrets[0]
