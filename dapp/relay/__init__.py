"""An edge's door over HTTP, for devices and holders without ether or a store of their own.

``DoorServer`` is the edge's side, ``DoorClient``, ``DoorStore`` and ``Courier`` are the others'.
"""

from dapp.relay.client import DoorClient, DoorStore
from dapp.relay.courier import Courier, Letterbox
from dapp.relay.errors import DoorBlocked, DoorRefused, DoorUnavailable
from dapp.relay.limits import Limits
from dapp.relay.server import DoorServer
from dapp.relay.wire import DoorTerms, Letter, Place

__all__ = [
    "Courier",
    "DoorBlocked",
    "DoorClient",
    "DoorRefused",
    "DoorServer",
    "DoorStore",
    "DoorTerms",
    "DoorUnavailable",
    "Letter",
    "Letterbox",
    "Limits",
    "Place",
]
