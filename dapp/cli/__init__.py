"""The command ``cairn``: it talks and draws, and decides nothing."""

from dapp.cli.cairn import main

__all__ = ["main"]
