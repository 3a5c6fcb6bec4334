"""Plays a script on a connection: writes each frame when its time has come, and ends as the script says."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Final

from waypost.practice.pacing import Wheel
from waypost.practice.script import End, Head, Script
from waypost.wire.http11 import Reply, header_block

_BATCH_BYTES_MAX: Final = 128 * 1024
_LAST_BYTES_SECONDS: Final = 0.02
"""How long what was written gets to arrive before the connection is cut."""
_LINGER_NOT: Final = struct.pack("ii", 1, 0)


class Player:
    """One reply under way. Nothing of it runs while it waits."""

    __slots__ = ("_due", "_ended", "_full", "_number", "_reply", "_script", "_wheel", "_write", "slot")

    def __init__(self, script: Script, reply: Reply, wheel: Wheel, ended: Callable[[Player, bool], None]) -> None:
        self.slot = 0
        self._script = script
        self._reply = reply
        self._wheel = wheel
        self._ended = ended
        self._number = 0
        self._due = 0.0
        self._full = False
        self._write: Callable[[bytes], None] = reply.write

    def start(self) -> None:
        """Write what may leave at once, and wait for the rest. Raises ValueError for headers that cannot be sent."""
        script, reply = self._script, self._reply
        headers = header_block(script.headers)
        if script.prelude:
            reply.transport.write(script.prelude)
        if script.instant and not script.streamed:
            reply.send(script.status, headers, b"".join(script.frames))
            self._ended(self, False)
            return
        reply.on_gone = self._left
        reply.on_full = self._pause
        reply.on_room = self._resume
        if script.head is Head.NEVER:
            self._write = reply.transport.write
        elif script.streamed or script.in_pieces:
            reply.begin(script.status, headers)
        if script.head is Head.AT_ONCE:
            reply.write(b"")
        now = self._wheel.now()
        self._due = now + self._wait()
        self.tick(now)

    def tick(self, now: float) -> None:
        """Everything that is due goes out in one write."""
        if self._full or self._reply.gone or self._reply.finished:
            return
        batch = self._due_frames(now)
        over = self._number == len(self._script.frames) and self._due <= now
        if over and self._ends_well:
            self._finish(batch)
            return
        if batch:
            self._write(batch)
        if over:
            self._break_off()
        elif not self._full:
            self._wheel.put(self._due, self)

    def _due_frames(self, now: float) -> bytes:
        script, frames = self._script, self._script.frames
        first, size = self._number, 0
        while self._due <= now and self._number < len(frames) and size < _BATCH_BYTES_MAX:
            size += len(frames[self._number])
            self._number += 1
            if script.apart or (self._number == len(frames) and script.end is not End.WELL):
                self._due = now
            self._due += self._wait()
            if script.apart:
                break
        return frames[first] if self._number == first + 1 else b"".join(frames[first : self._number])

    @property
    def _ends_well(self) -> bool:
        return self._script.end is End.WELL and self._script.head is not Head.NEVER

    def _wait(self) -> float:
        """Seconds until the next frame, or the end; what was written before a cut gets time to arrive."""
        script = self._script
        wait = script.wait_before(self._number)
        written = self._number > 0 or script.head is Head.AT_ONCE
        cut = self._number == len(script.frames) and script.end is not End.WELL
        return max(wait, _LAST_BYTES_SECONDS) if cut and written else wait

    def _finish(self, tail: bytes) -> None:
        reply = self._reply
        if reply.started:
            reply.finish(tail)
        else:
            reply.send(self._script.status, header_block(self._script.headers), tail)
        reply.on_gone = reply.on_full = reply.on_room = None  # or we and the reply would keep each other alive
        self._ended(self, False)

    def _break_off(self) -> None:
        transport = self._reply.transport
        end = self._script.end
        if end is End.WELL:
            return
        self._ended(self, False)
        self._reply.on_gone = None
        if end is End.RESET:
            connection: socket.socket = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            transport.abort()
        else:
            transport.close()

    def _pause(self) -> None:
        self._full = True
        self._wheel.drop(self)

    def _resume(self) -> None:
        self._full = False
        now = self._wheel.now()
        self._wheel.put(max(now, self._due), self)

    def _left(self) -> None:
        self._wheel.drop(self)
        self._ended(self, True)
