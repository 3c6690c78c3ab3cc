"""Several addresses of one chain as one web3 provider: the first that answers is asked, a failing one rests."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from requests import HTTPError, RequestException, Timeout
from web3 import HTTPProvider
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from dapp.chain.network import Network
from dapp.chain.node import Unreachable, WrongChain
from dapp.errors import SettingsError

FIRST_REST = 0.25
LONGEST_REST = 30.0
"""Seconds that an address rests after its first and after its latest failure in a row, unless it names a time."""
BUSY = ("rate limit", "too many requests", "request limit", "capacity")
"""How nodes say within an answer what HTTP says by 429."""

T = TypeVar("T")


@dataclass(slots=True)
class _Endpoint:
    url: str
    provider: HTTPProvider
    rests_until: float = 0.0
    last_until: float = 0.0
    failures: int = 0
    said: str = ""
    checked: bool = False

    @property
    def name(self) -> str:
        """The address without what may be secret in it: user, path, query."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


class _NoAnswerError(Exception):
    """In which way an address did not answer, and how many seconds it asks to be left alone."""

    def __init__(self, said: str, rest: float | None = None) -> None:
        super().__init__(said)
        self.said, self.rest = said, rest


class Endpoints(JSONBaseProvider):
    """A web3 provider over several addresses of one chain, in the order of preference.

    Args:
        urls: http or https.

    Raises:
        SettingsError: no address, or one that is no http address.
    """

    def __init__(self, urls: Sequence[str], network: Network) -> None:
        super().__init__()
        if not urls:
            raise SettingsError("no chain is named", help="Give the address of a node, such as http://127.0.0.1:8545.")
        for url in urls:
            if urlsplit(url).scheme not in ("http", "https"):
                raise SettingsError(f"{url} is no address of a chain", help="It begins with http:// or https://.")
        self._network = network
        self._chain_id = network.chain_id
        self._first_named = "the settings"
        options = {"timeout": network.timeout}
        self._endpoints = [
            _Endpoint(url, HTTPProvider(url, request_kwargs=options, exception_retry_configuration=None))
            for url in urls
        ]
        self._last = self._endpoints[0]

    def __str__(self) -> str:
        return ", ".join(endpoint.name for endpoint in self._endpoints)

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """
        Raises:
            Unreachable: no address answers; names each and what came instead.
            WrongChain: one answers for another chain.
        """
        return self._ask(lambda endpoint: _answer(endpoint.provider.make_request(method, params)))

    def make_batch_request(self, requests: list[tuple[RPCEndpoint, Any]]) -> list[RPCResponse]:
        """Answers in the order of the requests, all by one address. Raises as :meth:`make_request`."""

        def ask(endpoint: _Endpoint) -> list[RPCResponse]:
            answers = endpoint.provider.make_batch_request(requests)
            if not isinstance(answers, list) or len(answers) != len(requests):
                raise ValueError("not one answer for each request of a batch")
            return [_answer(answer) for answer in answers]

        return self._ask(ask)

    def pass_over(self, seconds: float = 10.0) -> None:
        """Asks the address that answered last only where no other can be asked, because what it said is old."""
        self._last.last_until = time.monotonic() + seconds

    def _ask(self, question: Callable[[_Endpoint], T]) -> T:
        for _ in range(self._network.tries * len(self._endpoints)):
            endpoint, wait = self._next(time.monotonic())
            if wait > LONGEST_REST:
                break
            if wait > 0:
                time.sleep(wait)
            try:
                self._check(endpoint)
                answer = _spoken(question, endpoint)
            except _NoAnswerError as failed:
                self._rest(endpoint, failed)
                continue
            endpoint.failures, endpoint.rests_until = 0, 0.0
            self._last = endpoint
            return answer
        said = "; ".join(f"{endpoint.name} {endpoint.said}" for endpoint in self._endpoints if endpoint.said)
        raise Unreachable(
            f"no chain answers: {said}",
            help="See that the node runs and listens at this address; `cairn up` starts one on this machine.",
        )

    def _next(self, now: float) -> tuple[_Endpoint, float]:
        """Whom to ask, and in how many seconds: who is not resting, in order, those that are behind last."""
        awake = [endpoint for endpoint in self._endpoints if endpoint.rests_until <= now]
        if awake:
            return min(awake, key=lambda endpoint: max(endpoint.last_until - now, 0)), 0.0
        endpoint = min(self._endpoints, key=lambda endpoint: endpoint.rests_until)
        return endpoint, endpoint.rests_until - now

    def _check(self, endpoint: _Endpoint) -> None:
        """An address is asked for its chain before anything else."""
        if endpoint.checked:
            return
        method = RPCEndpoint("eth_chainId")
        answer = _spoken(lambda each: _answer(each.provider.make_request(method, [])), endpoint)
        try:
            chain_id = int(answer["result"], 16)
        except (KeyError, TypeError, ValueError):
            raise _NoAnswerError("is no Ethereum node: it does not say which chain it has") from None
        if self._chain_id is None:
            self._chain_id, self._first_named = chain_id, endpoint.name
        if chain_id != self._chain_id:
            raise WrongChain(
                f"{endpoint.name} is on chain {chain_id}, {self._first_named} on chain {self._chain_id}",
                help="Give an address of the right chain, or correct the chain id in the settings.",
            )
        endpoint.checked = True

    def _rest(self, endpoint: _Endpoint, failed: _NoAnswerError) -> None:
        rest = min(FIRST_REST * 2**endpoint.failures, LONGEST_REST) if failed.rest is None else failed.rest
        endpoint.rests_until = time.monotonic() + rest
        endpoint.failures += 1
        endpoint.said = failed.said


def _spoken(question: Callable[[_Endpoint], T], endpoint: _Endpoint) -> T:
    """An answer, or in which way there was none."""
    try:
        return question(endpoint)
    except HTTPError as error:
        response = error.response
        raise _NoAnswerError(f"answered HTTP {response.status_code}", _retry_after(response.headers)) from None
    except Timeout:
        raise _NoAnswerError("did not answer in time") from None
    except (RequestException, OSError) as error:
        raise _NoAnswerError(f"is not to be reached ({type(error).__name__})") from None
    except ValueError:
        raise _NoAnswerError("answered something that is not JSON-RPC") from None


def _answer(answer: Any) -> RPCResponse:
    """
    Raises:
        ValueError: neither a result nor an error.
        _NoAnswerError: the node is too busy to answer.
    """
    if not isinstance(answer, Mapping) or ("result" not in answer and "error" not in answer):
        raise ValueError("neither a result nor an error")
    said = str((answer.get("error") or {}).get("message", "")).lower()
    if any(word in said for word in BUSY):
        raise _NoAnswerError(f"is too busy: {said[:100]}")
    return answer  # type: ignore[return-value]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to be left alone, where it says so in seconds."""
    value = headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None
