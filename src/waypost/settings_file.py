"""Where `waypost.toml` is, and its text as tables. What the tables must say is none of its business."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from waypost.domain.tables import Fault

FILE_NAME: Final = "waypost.toml"
FILE_VARIABLE: Final = "WAYPOST_CONFIG"
FILE_BYTES_MAX: Final = 16 * 1024 * 1024
TOML_POSITION: Final = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)\Z", re.DOTALL)


class SettingsError(Exception):
    """Settings that cannot be used: one line for each fault. The command line exits with 3."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(fault.line for fault in faults))
        self.faults = tuple(faults)


class Document(NamedTuple):
    """A settings file as it was read; without one, nothing is set."""

    path: Path | None
    tables: dict[str, Any]
    as_of: str
    """ISO date of its last change."""

    @property
    def where(self) -> str:
        """How faults name it."""
        return str(self.path or FILE_NAME)


def candidates(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Where a file is looked for when nobody names one; the first that is there is read."""
    home = environment.get("XDG_CONFIG_HOME") or str(home_folder(environment) / ".config")
    return (Path(FILE_NAME).absolute(), Path(home) / "waypost" / FILE_NAME)


def home_folder(environment: Mapping[str, str]) -> Path:
    """The user's folder; where there is none (a bare container), the current one."""
    return Path(environment.get("HOME") or environment.get("USERPROFILE") or Path.cwd())


def find_file(named: Path | str | None, environment: Mapping[str, str]) -> Path | None:
    """The file to read: the one named, by argument or `WAYPOST_CONFIG`, else the first candidate that is there."""
    chosen = named or environment.get(FILE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    return next((path for path in candidates(environment) if path.is_file()), None)


def read_file(path: Path | None) -> Document:
    """The file's tables. Raises SettingsError where it cannot be read or is no TOML."""
    if path is None:
        return Document(None, {}, "")
    try:
        status = path.stat()
        if status.st_size > FILE_BYTES_MAX:
            raise _fault(path, f"is larger than {FILE_BYTES_MAX:,} bytes, so it is not read")
        tables = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise _fault(path, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise _fault(path, f"line {line}: is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise _fault(path, _syntax(str(error), path)) from None
    except RecursionError:
        raise _fault(path, "nests its values too deeply") from None
    return Document(path, tables, datetime.fromtimestamp(status.st_mtime, UTC).date().isoformat())


def _fault(path: Path, message: str) -> SettingsError:
    return SettingsError([Fault(str(path), "", message)])


def _syntax(message: str, path: Path) -> str:
    """`line 3, column 5: …`, from tomllib's `… (at line 3, column 5)`."""
    match = TOML_POSITION.match(message)
    if match is None:
        return f"is no TOML: {message}"
    if match[2] is None:
        last = path.read_bytes().count(b"\n") + 1
        return f"line {last}: {match[1]} at the end of the file"
    return f"line {match[2]}, column {match[3]}: {match[1]}"
