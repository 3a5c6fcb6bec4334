import os
import socket
import stat

import pytest

from waypost.store.books import DataError
from waypost.store.socket_file import SOCKET, connected_socket, listening_socket, same_user


def listen(folder):
    sock = listening_socket(folder)
    sock.listen(1)
    return sock


def test_only_this_user_may_open_the_socket(folder):
    with listen(folder):
        assert stat.S_IMODE((folder / SOCKET).stat().st_mode) == 0o600


def test_nobody_there_is_no_error(folder):
    assert connected_socket(folder) is None


def test_a_dead_owners_socket_is_nobody_and_makes_way(folder):
    listen(folder).close()
    assert connected_socket(folder) is None
    with listen(folder), connected_socket(folder) as sock:
        assert same_user(sock)


def test_a_folder_with_a_long_path_works_all_the_same(folder):
    deep = folder / ("d" * 120)
    deep.mkdir()
    with listen(deep), connected_socket(deep):
        pass


def test_a_folder_that_cannot_be_written_is_said_in_one_line(folder):
    with pytest.raises(DataError, match=r"owner\.sock"):
        listening_socket(folder / "missing")


def test_another_users_process_is_told_apart():
    class Foreign:
        def getsockopt(self, *_):
            return b"".join(number.to_bytes(4, "little") for number in (1, os.getuid() + 1, 1))

    if hasattr(socket, "SO_PEERCRED"):
        assert not same_user(Foreign())
