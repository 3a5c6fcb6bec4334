"""The layers of settings, the later over the earlier: default, file, environment, command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from waypost.domain.kinds import PROXY_URL
from waypost.domain.tables import Fault, Place, did_you_mean, dotted, nearest, read_given, read_one, settings_of
from waypost.settings_file import FILE_VARIABLE, Document, home_folder
from waypost.settings_table import SECTIONS

COMMAND_LINE: Final = "command line"
ENVIRONMENT: Final = "environment"
PREFIX: Final = "WAYPOST_"
VARIABLES: Final = {
    "WAYPOST_HOST": ("server", "host"),
    "WAYPOST_PORT": ("server", "port"),
    "WAYPOST_DATA": ("store", "data_folder"),
    "WAYPOST_DATABASE": ("store", "database"),
}
"""Environment variables that set something, beside `WAYPOST_CONFIG` and the providers' keys."""
PROXY_VARIABLES: Final = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
NO_PROXY_VARIABLES: Final = ("NO_PROXY", "no_proxy")
OTHER_TABLES: Final = ("providers", "models")
DATA_FOLDER: Final = "waypost-data"
PATHS: Final = (("server", "tls_cert_file"), ("server", "tls_key_file"), ("store", "data_folder"))


class Layers(NamedTuple):
    """What has been read so far."""

    given: dict[str, dict[str, Any]]
    """Section → name → value; what is not there has its default."""
    origins: dict[str, str]
    """Dotted key → where its value came from."""
    faults: list[Fault]
    notes: list[str]

    @classmethod
    def empty(cls) -> Layers:
        """Nothing read yet."""
        return cls({section: {} for section in SECTIONS}, {}, [], [])

    def lay(self, section: str, values: Mapping[str, Any], origin: str) -> None:
        """Put values over what is there."""
        self.given[section] |= values
        self.origins.update({dotted(section, name): origin for name in values})


def read_layers(document: Document, environment: Mapping[str, str], overrides: Mapping[str, Any]) -> Layers:
    """Everything that is said about the sections, faults collected."""
    layers = Layers.empty()
    _read_document(document, layers)
    _read_environment(environment, layers)
    _read_command_line(overrides, layers)
    _take_proxy_of_environment(environment, layers)
    _make_paths_absolute(document, environment, layers)
    return layers


def _read_document(document: Document, layers: Layers) -> None:
    for section, table in document.tables.items():
        place = Place(document.where, section, layers.faults)
        if section in SECTIONS:
            layers.lay(section, read_given(SECTIONS[section], table, place), document.where)
        elif section not in OTHER_TABLES:
            place.fault(f"is no setting{_section_meant(section)}")


def _section_meant(name: str) -> str:
    homes = [section for section, shape in SECTIONS.items() if name in settings_of(shape)]
    if homes:
        return f"; did you mean {name} in [{homes[0]}]?"
    return did_you_mean(name, [*SECTIONS, *OTHER_TABLES])


def _read_environment(environment: Mapping[str, str], layers: Layers) -> None:
    for variable, (section, name) in VARIABLES.items():
        text = environment.get(variable, "").strip()
        if name == "port" and text.startswith("tcp://"):
            layers.notes.append(f"{variable} is Kubernetes' own for a service named waypost; not used")
        elif text:
            value: object = int(text) if name == "port" and text.isdecimal() and text.isascii() else text
            kind = settings_of(SECTIONS[section])[name][0]
            place = Place(ENVIRONMENT, variable, layers.faults)
            layers.lay(section, read_one(kind, value, place, name), f"{ENVIRONMENT} {variable}")
    known = {variable.removeprefix(PREFIX): variable for variable in (*VARIABLES, FILE_VARIABLE)}
    for variable in environment:
        near = nearest(variable.removeprefix(PREFIX), known) if variable.startswith(PREFIX) else None
        if near is not None and known[near] != variable:
            layers.notes.append(f"{variable} sets nothing; did you mean {known[near]}?")


def _read_command_line(overrides: Mapping[str, Any], layers: Layers) -> None:
    for key, value in overrides.items():
        section, _, name = key.partition(".")
        kinds = settings_of(SECTIONS[section]) if section in SECTIONS else {}
        place = Place(COMMAND_LINE, key, layers.faults)
        if name in kinds:
            layers.lay(section, read_one(kinds[name][0], value, place, name), COMMAND_LINE)
        else:
            place.fault("is no setting")


def _take_proxy_of_environment(environment: Mapping[str, str], layers: Layers) -> None:
    given = layers.given["proxy"]
    variable = next((name for name in PROXY_VARIABLES if environment.get(name)), None)
    if not given.get("trust_env") or given.get("url") or variable is None:
        return
    place = Place(ENVIRONMENT, variable, layers.faults)
    layers.lay("proxy", read_one(PROXY_URL, environment[variable], place, "url"), f"{ENVIRONMENT} {variable}")
    exempt = next((name for name in NO_PROXY_VARIABLES if environment.get(name)), None)
    if exempt is not None and "no_proxy" not in given:
        hosts = tuple(host.strip() for host in environment[exempt].split(",") if host.strip())
        layers.lay("proxy", {"no_proxy": hosts}, f"{ENVIRONMENT} {exempt}")


def _make_paths_absolute(document: Document, environment: Mapping[str, str], layers: Layers) -> None:
    """A path in the file is meant from the file's folder, any other from the current one."""
    home = home_folder(environment)
    for section, name in PATHS:
        value = layers.given[section].get(name)
        if value is not None:
            from_file = document.path is not None and layers.origins[dotted(section, name)] == document.where
            base = document.path.parent if from_file and document.path else Path.cwd()
            path = home / value[2:] if value.startswith("~/") else base / value
            layers.given[section][name] = str(path)
    layers.given["store"].setdefault("data_folder", str(Path.cwd() / DATA_FOLDER))
