"""Writes `docs/reference/`: what can be read off the code is not typed twice. `./dev docs` runs it.

A new page is a function that returns its text and a line in `PAGES`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from waypost.cli.grammar_reference import command_line_reference
from waypost.domain.problems import CODES
from waypost.door import openapi
from waypost.door.permissions import permissions_reference
from waypost.settings_reference import settings_reference

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"


def errors_reference() -> str:
    """Every error code, grouped by status as the table in `domain/problems.py` is."""
    rows = [f"| `{name}` | {code.status} | `{code.type}` | {code.when} |" for name, code in CODES.items()]
    return "\n".join(
        [
            "# Error codes",
            "",
            "*Made by `./dev docs` from the code; do not edit.*",
            "",
            "Every error has one envelope, and headers beside it:",
            '`{"error": {"message", "type", "param", "code", "why", "fix", "request_id"}, "message"}`,',
            "`X-Error-Code`, `X-Error-Message`, `x-request-id`, and `Retry-After` where waiting helps.",
            "`message` names the rule, `why` the evidence, `fix` what to do about it.",
            "",
            "| code | status | type | said when |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def openapi_reference() -> str:
    """What `GET /openapi.json` answers, for reading and for its diffs."""
    return json.dumps(json.loads(openapi.document()), indent=1, ensure_ascii=False) + "\n"


PAGES: Mapping[str, Callable[[], str]] = {
    "command-line.md": command_line_reference,
    "errors.md": errors_reference,
    "openapi.json": openapi_reference,
    "permissions.md": permissions_reference,
    "settings.md": settings_reference,
}


def stale(folder: Path = REFERENCE) -> list[str]:
    """Pages that are missing or say something else than the code, and files that no page makes."""
    wrong = [name for name, page in PAGES.items() if read(folder / name) != page()]
    wrong += [file.name for file in folder.iterdir() if file.name not in PAGES]
    return sorted(wrong)


def read(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.exists() else None


def main() -> int:
    REFERENCE.mkdir(parents=True, exist_ok=True)
    changed = stale()
    for name in changed:
        if name in PAGES:
            (REFERENCE / name).write_text(PAGES[name](), encoding="utf-8")
            print(f"wrote docs/reference/{name}")
        else:
            (REFERENCE / name).unlink()
            print(f"removed docs/reference/{name}: nothing makes it any more")
    print(f"{len(PAGES)} pages, {len(changed)} changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
