"""Draw the README's picture: a first conversation in a terminal, taken from the running product.

`.venv/bin/python tools/make_picture.py` starts a server on a free port with a data folder of its own, types the lines
below, and writes `docs/pictures/first-conversation.svg`. Light or dark follows whoever looks at it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "pictures" / "first-conversation.svg"
LINES = (
    ("chat", "-m", "practice/sage:cheapest", "What is a waybill?"),
    ("explain", "practice/parrot:fastest", "--tools", "--format", "human"),
    ("requests", "list", "--format", "human"),
)
COLUMNS = 160
ROW, TOP, LEFT, LETTER = 19, 44, 20, 7.85
STYLE = """
  .frame { fill: #f7f7f5; stroke: #d8d8d2 } text { font: 13px ui-monospace, Menlo, Consolas, monospace; fill: #24292f }
  .typed { fill: #0b5c94; font-weight: 600 } .dot { fill: #d8d8d2 }
  @media (prefers-color-scheme: dark) {
    .frame { fill: #16181c; stroke: #33363c } text { fill: #d7dae0 } .typed { fill: #7cc4ff } .dot { fill: #33363c }
  }
"""


def main() -> None:
    """Take the picture."""
    with tempfile.TemporaryDirectory(prefix="waypost-picture-") as folder:
        command = [sys.executable, "-m", "waypost"]
        serve = [*command, "serve", "--port", "0", "--data", folder, "--format", "json"]
        with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            address = json.loads(server.stdout.readline())["address"]
            rows = [row for line in LINES for row in typed(command, line, address, folder)]
            server.terminate()
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(drawn(rows))


def typed(command: list[str], line: tuple[str, ...], address: str, folder: str) -> list[tuple[str, str]]:
    """A line as it is typed and what it prints, each row with its class."""
    done = subprocess.run(
        [*command, *line, "--url", address, "--data", folder],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True,
        env={"COLUMNS": str(COLUMNS), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    words = " ".join(f'"{word}"' if " " in word else word for word in line if word not in ("--format", "human"))
    said = done.stdout.rstrip().replace("python -m waypost", "waypost").splitlines()
    rows = [piece for text in said for piece in ([text[i : i + COLUMNS] for i in range(0, len(text), COLUMNS)] or [""])]
    return [("typed", f"$ waypost {words}"), *(("", row) for row in rows), ("", "")]


def drawn(rows: list[tuple[str, str]]) -> str:
    """The terminal as SVG."""
    width, height = int(LEFT * 2 + COLUMNS * LETTER), TOP + ROW * len(rows)
    texts = "\n".join(
        f'<text x="{LEFT}" y="{TOP + ROW * n}" class="{kind}" xml:space="preserve">{escape(text)}</text>'
        for n, (kind, text) in enumerate(rows)
        if text
    )
    dots = "".join(f'<circle class="dot" cx="{22 + 18 * n}" cy="18" r="5"/>' for n in range(3))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="A first conversation with Waypost in a terminal"><style>{STYLE}</style>'
        f'<rect class="frame" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>{dots}\n'
        f"{texts}\n</svg>\n"
    )


if __name__ == "__main__":
    main()
