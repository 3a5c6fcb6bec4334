"""Calls to a router: JSON in and out, and streams; what it refuses becomes a Problem, what fails on the way a Stop."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode, urlsplit

from waypost import __version__
from waypost.cli.exits import Exit, Stop
from waypost.cli.whereabouts import Destination
from waypost.domain.problems import CODES, Problem

CONNECT_SECONDS_MAX: Final = 5.0
ANSWER_SECONDS_MAX: Final = 60.0
STREAM_SECONDS_MAX: Final = 900.0
"""Silence after which a stream is given up; the server's own deadlines come sooner."""
BODY_BYTES_MAX: Final = 256 * 1024 * 1024
SHOWN_CHARACTERS_MAX: Final = 200
STALE_TOKEN: Final = frozenset({"token_revoked", "token_expired", "token_unknown"})


class Told(NamedTuple):
    """A whole answer."""

    value: Any
    headers: http.client.HTTPMessage


class Token(NamedTuple):
    """What to show, and how to get another where it is no longer good."""

    secret: str | None
    renew: Callable[[str], str | None] = lambda _: None


class Router:
    """A router at an address, as one caller meets it. A connection a call."""

    def __init__(self, destination: Destination, token: Token) -> None:
        self.base = destination.base
        self._token = token
        self._secret = token.secret
        self._tls = _tls(destination)

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """A JSON document. Raises Problem and Stop."""
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        return self._whole("GET", f"{path}?{urlencode(asked)}" if asked else path, None).value

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Told:
        """The answer to a JSON body. Raises Problem and Stop."""
        return self._whole("POST", path, body, headers, STREAM_SECONDS_MAX)

    @contextmanager
    def stream(
        self, path: str, body: Any, headers: Mapping[str, str] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """The reply to a JSON body as it comes; leaving the block hangs up. Raises Problem and Stop."""
        connection, response = self._ask("POST", path, body, headers, STREAM_SECONDS_MAX)
        try:
            if response.status != 200:
                raise _problem(self._read(response), response)
            yield response
        finally:
            response.close()  # where the reply ends with the connection, the socket is the response's
            connection.close()

    def read_some(self, response: http.client.HTTPResponse) -> bytes:
        """What has come of a stream; nothing at its end. Raises Stop."""
        with self._translated():
            return response.read1(65_536)

    def _whole(
        self,
        method: str,
        path: str,
        body: Any,
        headers: Mapping[str, str] | None = None,
        seconds_max: float = ANSWER_SECONDS_MAX,
    ) -> Told:
        connection, response = self._ask(method, path, body, headers, seconds_max)
        try:
            text = self._read(response)
        finally:
            response.close()
            connection.close()
        if response.status != 200:
            raise _problem(text, response)
        try:
            return Told(json.loads(text), response.headers)
        except ValueError:
            raise self._unreachable("what answers there is no Waypost: it sent no JSON") from None

    def _ask(
        self, method: str, path: str, body: Any, headers: Mapping[str, str] | None, seconds_max: float
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """A reply's head. Where a token of our own making is no longer good, once more with another."""
        connection, response = self._send(method, path, body, headers, seconds_max)
        if response.status == 401 and response.headers.get("x-error-code") in STALE_TOKEN and self._secret:
            renewed = self._token.renew(self._secret)
            if renewed is not None:
                response.close()
                connection.close()
                self._secret = renewed
                return self._send(method, path, body, headers, seconds_max)
        return connection, response

    def _send(
        self, method: str, path: str, body: Any, headers: Mapping[str, str] | None, seconds_max: float
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        sent = {"user-agent": f"waypost/{__version__}", "accept": "*/*", **(headers or {})}
        if self._secret:
            sent["authorization"] = f"Bearer {self._secret}"
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            sent["content-type"] = "application/json"
        with self._translated():
            connection = self._connection()
            try:
                connection.connect()
                connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.sock.settimeout(seconds_max)
                connection.request(method, path, data, sent)
                return connection, connection.getresponse()
            except BaseException:
                connection.close()
                raise

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.base)
        host, port = parts.hostname or "", parts.port
        if self._tls is not None:
            return http.client.HTTPSConnection(host, port, timeout=CONNECT_SECONDS_MAX, context=self._tls)
        return http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS_MAX)

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        with self._translated():
            text = response.read(BODY_BYTES_MAX + 1)
        if len(text) > BODY_BYTES_MAX:
            raise self._unreachable(f"the answer is over {BODY_BYTES_MAX:,} bytes")
        if response.length:
            raise self._unreachable("it hung up in the middle of its answer")
        return text

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Whatever can go wrong on a wire."""
        try:
            yield
        except ConnectionRefusedError:
            raise self._unreachable("nobody listens there") from None
        except TimeoutError:
            raise self._unreachable("no answer in time") from None
        except socket.gaierror as error:
            raise self._unreachable(f"the name is not known ({error.strerror})") from None
        except ssl.SSLCertVerificationError as error:
            raise self._unreachable(f"its certificate is not trusted ({error.verify_message})") from None
        except ssl.SSLError:
            raise self._unreachable("it does not speak TLS as we do") from None
        except http.client.HTTPException as error:
            raise self._unreachable(f"it hung up, or does not speak HTTP ({type(error).__name__})") from None
        except (OSError, ValueError) as error:
            raise self._unreachable(str(error)) from None

    def _unreachable(self, why: str) -> Stop:
        return Stop(
            Exit.UNREACHABLE,
            f"No Waypost can be reached at {self.base}: {why}.",
            "Start one with `waypost serve`, or name another with --url or --data.",
        )


def _tls(destination: Destination) -> ssl.SSLContext | None:
    """Our own server's certificate was made for a name that we may not be using here, so it is known by itself."""
    if not destination.base.startswith("https:"):
        return None
    context = ssl.create_default_context()
    standing = destination.standing
    if standing is not None and standing.certificate is not None:
        context = ssl.create_default_context(cafile=standing.certificate)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.check_hostname = False
    return context


def _problem(text: bytes, response: http.client.HTTPResponse) -> Problem:
    """What a router said instead of an answer."""
    try:
        told = json.loads(text)
    except ValueError:
        told = {}
    return problem_of(told, response.status, response.headers.get("x-request-id"))


def problem_of(told: Any, status: int, request_id: str | None = None) -> Problem:
    """An error object as a Problem: our envelope, OpenAI's, or a bare text."""
    error = told.get("error") if isinstance(told, dict) else None
    if not isinstance(error, dict):
        error = {"message": error if isinstance(error, str) else f"The router answered {status}."}
    code = str(error.get("code") or "")
    problem = Problem(
        code if code in CODES else "internal_error",
        str(error.get("message") or f"The router answered {status}.")[: 5 * SHOWN_CHARACTERS_MAX],
        why=str(error.get("why") or ""),
        fix=str(error.get("fix") or ""),
        status=status,
    )
    problem.code = code
    problem.extra = {"request_id": error.get("request_id") or request_id}
    return problem
