"""The same seed gives the same bits: what audits by recomputation rest on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def deterministic() -> Iterator[None]:
    """Torch with deterministic algorithms and one thread inside, as it was before outside. Also a decorator.

    More threads would split sums elsewhere and so round elsewhere. These are settings of the whole process: run one
    training at a time in a process, several processes for several devices. Bits repeat for one torch version on one
    kind of processor; across processors a tolerance has to replace equality.
    """
    threads, algorithms = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    torch.set_num_threads(1)
    torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms() imports the compiler first: seconds
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(algorithms)
        torch.set_num_threads(threads)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's own generator (initial weights, dropout) started from ``seed`` inside, untouched outside."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
