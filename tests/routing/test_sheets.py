"""The catalogue's files: complete or not there, newest first, and quick with 80,000 rows."""

from __future__ import annotations

import gc
import json
import resource
import time

import pytest

from waypost.domain.chat import Need
from waypost.domain.endpoints import Endpoint, Model, Sheet
from waypost.domain.money import Price, dated_price
from waypost.routing.sheets import SheetDamaged, files_of, read_sheet, read_sheets, write_sheet

SOURCE = "https://alpha.example/v1/models"
DAY = "2026-11-20"
NEGATIVE_PRICE = (
    b'{"format": 1, "name": "alpha", "source": "s", "as_of": "d", "models": [{"id": "a/b", "endpoints": '
    b'[{"provider": "p", "id": "i", "input_nano_usd": -1}]}]}'
)


def endpoint(**changes) -> Endpoint:
    return Endpoint("acme/one", "alpha", "one-at-alpha", source=SOURCE, as_of=DAY, **changes)


def sheet(*endpoints: Endpoint, name: str = "alpha", day: str = DAY) -> Sheet:
    return Sheet(name, SOURCE, day, (Model("acme/one", endpoints, created=5, input_modalities=("text", "image")),))


@pytest.mark.parametrize(
    "written",
    [
        endpoint(),
        endpoint(price=dated_price(Price(1, 2), DAY)),
        endpoint(price=dated_price(Price(0, 0, 0, 0, 0), DAY), is_free=True),
        endpoint(price=dated_price(Price(1, 2, 3, 4, 5), DAY), context_length=9, output_tokens_max=8),
        endpoint(abilities=Need.NOTHING, abilities_known=True),
        endpoint(abilities=Need.TOOLS | Need.IMAGES, abilities_known=True, status="error", is_model_author=True),
        endpoint(first_token_ms=1.5, output_tokens_per_s=2.5),
    ],
)
def test_what_is_written_is_read_back_whole(tmp_path, written) -> None:
    path = write_sheet(tmp_path / "new" / "catalogue", sheet(written))
    assert path.name == "alpha-2026-11-20.json"
    assert read_sheet(path) == sheet(written)


def test_an_unknown_price_is_not_in_the_file_at_all(tmp_path) -> None:
    text = write_sheet(tmp_path, sheet(endpoint())).read_text()
    assert "nano_usd" not in text
    assert json.loads(text)["models"][0]["endpoints"] == [{"provider": "alpha", "id": "one-at-alpha"}]


def test_the_newest_day_of_each_source_is_read_and_hugging_face_s_comes_first(tmp_path) -> None:
    for name, day in (("alpha", "2026-11-19"), ("alpha", "2026-11-20"), ("huggingface", "2026-01-01")):
        write_sheet(tmp_path, sheet(name=name, day=day))
    got = read_sheets(tmp_path)
    assert [(each.name, each.as_of) for each in got.sheets] == [("huggingface", "2026-01-01"), ("alpha", "2026-11-20")]
    assert got.notes == ()


def test_the_day_before_is_kept_and_older_ones_go_when_the_new_one_is_there(tmp_path) -> None:
    days = ["2026-11-18", "2026-11-19", "2026-11-20"]
    for day in days:
        write_sheet(tmp_path, sheet(day=day))
    write_sheet(tmp_path, sheet(name="beta", day="2026-01-01"))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["alpha-2026-11-19.json", "alpha-2026-11-20.json", "beta-2026-01-01.json"]
    assert sorted(path.name for path in files_of(tmp_path)) == names


def test_a_write_that_fails_leaves_the_old_file_and_nothing_half_done(tmp_path) -> None:
    path = write_sheet(tmp_path, sheet(endpoint()))
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            write_sheet(tmp_path, sheet())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"format": 2, "name": "alpha", "source": "s", "as_of": "d", "models": []}',
        b'{"format": 1, "name": "alpha", "source": "s", "as_of": "d", "models": [{"id": 5, "endpoints": []}]}',
        NEGATIVE_PRICE,
    ],
)
def test_a_damaged_file_is_noted_and_the_day_before_is_read(tmp_path, text) -> None:
    write_sheet(tmp_path, sheet(day="2026-11-19"))
    damaged = tmp_path / "alpha-2026-11-20.json"
    damaged.write_bytes(text)
    with pytest.raises(SheetDamaged, match="alpha-2026-11-20"):
        read_sheet(damaged)
    got = read_sheets(tmp_path)
    assert [each.as_of for each in got.sheets] == ["2026-11-19"]
    assert len(got.notes) == 1
    assert str(damaged) in got.notes[0]


def test_a_folder_that_is_not_there_holds_nothing(tmp_path) -> None:
    assert read_sheets(tmp_path / "no") == ((), ())


def test_other_files_in_the_folder_are_nobody_s_business(tmp_path) -> None:
    for name in ("notes.txt", ".alpha-2026-11-20.json.77", "alpha-today.json"):
        (tmp_path / name).write_text("x")
    assert read_sheets(tmp_path) == ((), ())


def test_a_file_that_vanishes_while_it_is_read_is_noted(tmp_path) -> None:
    path = tmp_path / "alpha-2026-11-20.json"
    path.symlink_to(tmp_path / "gone")
    assert "cannot be read" in read_sheets(tmp_path).notes[0]


def test_the_version_of_a_price_names_its_day_and_its_figures() -> None:
    one, two = dated_price(Price(1, 2), DAY), dated_price(Price(1, 3), DAY)
    assert one.version.startswith(f"{DAY}-")
    assert one.version != two.version
    assert one == dated_price(Price(1, 2), DAY)
    assert dated_price(Price(1, 2, 0), DAY).version != one.version


def test_ten_thousand_models_at_eight_providers_are_read_in_time(tmp_path, full) -> None:
    count = 10_000 if full else 2_000
    models = tuple(
        Model(
            f"acme/m{number}",
            tuple(
                Endpoint(
                    f"acme/m{number}",
                    f"p{place}",
                    f"m{number}-at-p{place}",
                    price=Price((number % 97 + 1) * 10**7, (place + number % 89 + 1) * 10**7),
                    context_length=32_768,
                    abilities=Need.TOOLS,
                    abilities_known=True,
                )
                for place in range(8)
            ),
        )
        for number in range(count)
    )
    write_sheet(tmp_path, Sheet("huggingface", SOURCE, DAY, models))
    began = time.process_time()
    got = read_sheets(tmp_path)
    seconds = time.process_time() - began
    assert len(got.sheets[0].models) == count
    assert seconds < 2.0 * count / 10_000
    assert gc.isenabled()
