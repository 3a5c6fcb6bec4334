"""One server with money in it for all tests of the routes about money."""

from money_server import acme, server

__all__ = ["acme", "server"]
