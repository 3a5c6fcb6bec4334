"""The catalogue's files: `DATA/catalogue/<source>-<date>.json`, one for what each source said on a day.

`waypost models sync` writes them, the catalogue is built from the newest of each source. A file is complete or it is
not there: it is written aside, flushed, and renamed. The one before it is kept, so that a bad day can be undone.
"""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import msgspec

from waypost.domain.chat import Need
from waypost.domain.endpoints import ABILITIES, Endpoint, Model, Sheet
from waypost.domain.money import PRICE_NANO_USD_MAX, Price, dated_price

FORMAT: Final = 1
FILE_NAME: Final = re.compile(r"([a-z0-9][a-z0-9-]*)-(\d{4}-\d{2}-\d{2})\.json\Z")
FILE_BYTES_MAX: Final = 256 * 1024 * 1024
KEPT_PER_SOURCE: Final = 2

Amount = Annotated[int, msgspec.Meta(ge=0, le=PRICE_NANO_USD_MAX)]
Count = Annotated[int, msgspec.Meta(ge=1, le=2**53)]
Rate = Annotated[float, msgspec.Meta(ge=0)]


class EndpointEntry(msgspec.Struct, omit_defaults=True, gc=False):
    """An endpoint in the file. What is unknown is not there; prices are nano-USD for each million of units."""

    provider: str
    id: str
    input_nano_usd: Amount | None = None
    output_nano_usd: Amount | None = None
    cached_input_nano_usd: Amount | None = None
    reasoning_nano_usd: Amount | None = None
    request_nano_usd: Amount = 0
    context_length: Count | None = None
    output_tokens_max: Count | None = None
    abilities: tuple[str, ...] | None = None
    first_token_ms: Rate | None = None
    output_tokens_per_s: Rate | None = None
    status: str = "live"
    is_free: bool = False
    is_model_author: bool = False


class ModelEntry(msgspec.Struct, omit_defaults=True, gc=False):
    """A model in the file."""

    id: str
    endpoints: list[EndpointEntry]
    created: int = 0
    input_modalities: tuple[str, ...] = ("text",)
    output_modalities: tuple[str, ...] = ("text",)


class File(msgspec.Struct):
    """The whole file."""

    format: int
    name: str
    source: str
    as_of: str
    models: list[ModelEntry]


class Sheets(NamedTuple):
    """The newest readable file of every source."""

    sheets: tuple[Sheet, ...]
    notes: tuple[str, ...]
    """Files that could not be read, and why."""


class SheetDamaged(Exception):
    """A catalogue file that cannot be used; the message names it and says why."""


def read_sheets(folder: Path) -> Sheets:
    """Read the newest good file of each source, Hugging Face's first; a damaged one falls back to the day before."""
    by_name: dict[str, list[Path]] = {}
    for path, name, _ in _files(folder):
        by_name.setdefault(name, []).append(path)
    sheets: list[Sheet] = []
    notes: list[str] = []
    for name in sorted(by_name, key=lambda name: (name != "huggingface", name)):
        for path in by_name[name]:
            try:
                sheets.append(read_sheet(path))
                break
            except SheetDamaged as damaged:
                notes.append(str(damaged))
    return Sheets(tuple(sheets), tuple(notes))


def read_sheet(path: Path) -> Sheet:
    """One file. Raises SheetDamaged."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise SheetDamaged(f"{path}: larger than {FILE_BYTES_MAX:,} bytes, so it is not read")
        file = _DECODER.decode(path.read_bytes())
    except OSError as error:
        raise SheetDamaged(f"{path}: cannot be read ({error.strerror})") from None
    except (msgspec.MsgspecError, RecursionError) as error:
        raise SheetDamaged(f"{path}: is no catalogue file ({error})") from None
    if file.format != FORMAT:
        raise SheetDamaged(f"{path}: has format {file.format}, this version reads {FORMAT}")
    with _garbage_collection_paused():
        models = tuple(_model(entry, file) for entry in file.models)
    return Sheet(file.name, file.source, file.as_of, models)


def write_sheet(folder: Path, sheet: Sheet) -> Path:
    """Write a sheet; only when it is safely there do files older than the one before it go."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{sheet.name}-{sheet.as_of}.json"
    file = File(FORMAT, sheet.name, sheet.source, sheet.as_of, [_model_entry(model) for model in sheet.models])
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("wb") as out:
            out.write(msgspec.json.format(msgspec.json.encode(file), indent=1))
            out.flush()
            os.fsync(out.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    _flush_folder(folder)
    for old, name, _ in _files(folder):
        if name == sheet.name and old not in _newest(folder, name):
            old.unlink(missing_ok=True)
    return path


def files_of(folder: Path) -> tuple[Path, ...]:
    """Every catalogue file that is there, newest of each source first."""
    return tuple(path for path, _, _ in _files(folder))


_DECODER: Final = msgspec.json.Decoder(File)


@contextmanager
def _garbage_collection_paused() -> Iterator[None]:
    """Making 80,000 values that all live on would start collections that find nothing: 0.4 of 1 second."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _files(folder: Path) -> list[tuple[Path, str, str]]:
    if not folder.is_dir():
        return []
    found = [(path, match[1], match[2]) for path in folder.iterdir() if (match := FILE_NAME.match(path.name))]
    return sorted(found, key=lambda file: file[2], reverse=True)


def _newest(folder: Path, name: str) -> list[Path]:
    return [path for path, other, _ in _files(folder) if other == name][:KEPT_PER_SOURCE]


def _flush_folder(folder: Path) -> None:
    """A rename is durable only when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _model(entry: ModelEntry, file: File) -> Model:
    endpoints = tuple(_endpoint(entry.id, each, file) for each in entry.endpoints)
    return Model(
        entry.id,
        endpoints,
        created=entry.created,
        input_modalities=entry.input_modalities,
        output_modalities=entry.output_modalities,
    )


def _endpoint(model: str, entry: EndpointEntry, file: File) -> Endpoint:
    abilities = _need(entry.abilities)
    return Endpoint(
        model,
        entry.provider,
        entry.id,
        price=_price(entry, file.as_of),
        context_length=entry.context_length,
        output_tokens_max=entry.output_tokens_max,
        abilities=abilities,
        abilities_known=entry.abilities is not None,
        first_token_ms=entry.first_token_ms,
        output_tokens_per_s=entry.output_tokens_per_s,
        status=entry.status,
        is_free=entry.is_free,
        is_model_author=entry.is_model_author,
        source=file.source,
        as_of=file.as_of,
    )


def _price(entry: EndpointEntry, as_of: str) -> Price | None:
    if entry.input_nano_usd is None or entry.output_nano_usd is None:
        return None
    price = Price(
        entry.input_nano_usd,
        entry.output_nano_usd,
        entry.cached_input_nano_usd,
        entry.reasoning_nano_usd,
        entry.request_nano_usd,
    )
    return dated_price(price, as_of)


@lru_cache(maxsize=256)
def _need(abilities: tuple[str, ...] | None) -> Need:
    if abilities is None:
        return Need.TOOLS | Need.STRUCTURED_OUTPUT
    need = Need.NOTHING
    for ability in abilities:
        need |= ABILITIES.get(ability, Need.NOTHING)
    return need


def _model_entry(model: Model) -> ModelEntry:
    return ModelEntry(
        model.id,
        [_endpoint_entry(endpoint) for endpoint in model.endpoints],
        created=model.created,
        input_modalities=model.input_modalities,
        output_modalities=model.output_modalities,
    )


def _endpoint_entry(endpoint: Endpoint) -> EndpointEntry:
    price = endpoint.price
    known = tuple(name for name, need in ABILITIES.items() if need in endpoint.abilities)
    entry = EndpointEntry(
        endpoint.provider,
        endpoint.id,
        context_length=endpoint.context_length,
        output_tokens_max=endpoint.output_tokens_max,
        abilities=known if endpoint.abilities_known else None,
        first_token_ms=endpoint.first_token_ms,
        output_tokens_per_s=endpoint.output_tokens_per_s,
        status=endpoint.status,
        is_free=endpoint.is_free,
        is_model_author=endpoint.is_model_author,
    )
    if price is not None:
        entry.input_nano_usd, entry.output_nano_usd = price.input, price.output
        entry.cached_input_nano_usd, entry.reasoning_nano_usd = price.cached_input, price.reasoning
        entry.request_nano_usd = price.request
    return entry
