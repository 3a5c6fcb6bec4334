"""Waypost: a self-hosted inference router that explains itself."""

__version__ = "0.1.0"
