import os
import subprocess
import sys

import pytest

from waypost.store.books import DataError
from waypost.store.folder_lock import FolderLock


def test_a_second_owner_is_told_who_holds_the_folder(folder):
    first = FolderLock(folder)
    first.take()
    second = FolderLock(folder)
    with pytest.raises(DataError, match=rf"pid {os.getpid()}.*--data"):
        second.take(0.05)
    first.release()


def test_a_dead_owners_lock_is_free(folder):
    script = (
        "import os, sys, pathlib; from waypost.store.folder_lock import FolderLock\n"
        "FolderLock(pathlib.Path(sys.argv[1])).take(); os.kill(os.getpid(), 9)"
    )
    dead = subprocess.run([sys.executable, "-c", script, str(folder)], check=False)
    assert dead.returncode == -9
    lock = FolderLock(folder)
    lock.take(0)
    lock.release()


def test_a_short_visit_is_waited_for(folder):
    visitor, server = FolderLock(folder), FolderLock(folder)
    assert visitor.try_take()
    assert not server.try_take()
    visitor.release()
    server.take(0)
    server.release()


def test_what_fails_behind_the_lock_lets_it_go(folder):
    lock = FolderLock(folder)
    lock.take()
    with pytest.raises(ZeroDivisionError), lock.kept():
        raise ZeroDivisionError
    other = FolderLock(folder)
    other.take(0)
    other.release()
