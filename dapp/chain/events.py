"""Logs to the dataclasses of ``dapp.protocol.events``."""

from __future__ import annotations

from collections.abc import Iterable

from dapp.chain.codec import all_events, decode_log
from dapp.chain.node import Log
from dapp.errors import ChainError
from dapp.protocol import events
from dapp.protocol.events import Event


def decode(log: Log) -> Event:
    """The event that a log of one of our contracts is.

    Raises:
        ChainError: none of our contracts emits such a log.
    """
    entry = all_events().get(log.topics[0]) if log.topics else None
    kind = getattr(events, entry.name, None) if entry else None
    if entry is None or kind is None:
        raise ChainError(
            f"log {log.log_index} of block {log.block} is no event of Cairn's contracts",
            help="The contract at this address is another one, or another version.",
        )
    event: Event = kind.from_abi(
        decode_log(entry, log.topics, log.data),
        contract=log.address,
        block=log.block,
        log_index=log.log_index,
        timestamp=log.timestamp,
    )
    return event


def decode_all(logs: Iterable[Log]) -> list[Event]:
    """Events of logs, in the same order."""
    return [decode(log) for log in logs]
