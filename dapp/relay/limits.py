"""How much a door takes: of each address by the minute, and of all together at a time."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

from dapp.relay.wire import ANSWER_SECONDS


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a door's memory and patience, whoever knocks.

    A blob in passing is held in memory, twice while it is stored: ``transfers`` × twice the largest blob is the most
    that all senders together can make a door hold.

    Args:
        connections: open at a time.
        connections_per_address: of these, from one address.
        transfers: blobs that pass at a time, either way; others wait.
        transfers_per_address: of these, for one address.
        answer_seconds: for a request to arrive, and for a blob beyond what its size takes.
        addresses: whose rates are remembered; the one not heard of for longest is forgotten.
        log_lines: about refusals, a minute.
    """

    connections: int = 128
    connections_per_address: int = 32
    transfers: int = 8
    transfers_per_address: int = 4
    answer_seconds: float = ANSWER_SECONDS
    addresses: int = 4096
    log_lines: int = 60


class Bucket:
    """Refills evenly, holds at most ``capacity``; what is taken must be in it.

    Args:
        per_minute: how much flows in; at least 1.
        now: tells seconds, of any origin.
    """

    def __init__(self, per_minute: float, capacity: float, now: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._capacity, self._now = max(per_minute, 1) / 60, capacity, now
        self._level, self._since = capacity, now()

    def take(self, amount: float) -> float:
        """0 where ``amount`` was there and is taken; else the seconds until it will be there, and nothing is taken."""
        now = self._now()
        self._level = min(self._capacity, self._level + (now - self._since) * self._rate)
        self._since = now
        if amount <= self._level:
            self._level -= amount
            return 0.0
        return (amount - self._level) / self._rate


@dataclass(frozen=True, slots=True)
class Visitor:
    """What is remembered of one address."""

    requests: Bucket
    bytes: Bucket
    transfers: asyncio.Semaphore


@dataclass(slots=True)
class Visitors:
    """Everybody who was here lately, at most ``most`` of them."""

    new: Callable[[], Visitor]
    most: int
    _known: OrderedDict[str, Visitor] = field(default_factory=OrderedDict)

    def of(self, address: str) -> Visitor:
        """What is remembered of who knocks from here."""
        key = network(address)
        visitor = self._known.pop(key, None) or self.new()
        self._known[key] = visitor
        if len(self._known) > self.most:
            self._known.popitem(last=False)
        return visitor


def network(address: str) -> str:
    """Whom an address stands for: itself, or of IPv6 the /64 network that one host may have whole."""
    parsed = ip_address(address.partition("%")[0])
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or IPv6Address(int(parsed) >> 64 << 64))
