"""Cairn: federated learning that nobody has to be trusted with."""

__version__ = "0.1.0"
