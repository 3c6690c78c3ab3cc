"""Products of powers ∏ b_i^{e_i} by one chain of multiplications (Bos–Coster, after de Rooij, EUROCRYPT 1994).

The two largest exponents x ≥ y become y and x mod y, since b_i^x·b_j^y = b_i^{x mod y}·(b_j·b_i^{⌊x/y⌋})^y. For k
random exponents of L bits this takes about k·L/log2(k) multiplications. The chain depends on the exponents alone, so
one chain serves many positions and several moduli. The exponents must be public: the work done depends on them.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from gmpy2 import mpz, powmod


@dataclass(frozen=True, slots=True)
class Chain:
    """Steps (i, j, q), each meaning b_j ← b_j·b_i^q, after which the product is b_last^power."""

    steps: tuple[tuple[int, int, int], ...]
    last: int
    power: int

    @classmethod
    def of(cls, exponents: Sequence[int]) -> Chain:
        """The chain for these exponents, all of them ≥ 0 and at least one given."""
        heap = [(-exponent, i) for i, exponent in enumerate(exponents) if exponent]
        if not heap:
            return cls(steps=(), last=0, power=0)
        heapq.heapify(heap)
        steps = []
        largest, i = heapq.heappop(heap)
        while heap:
            second, j = heap[0]
            quotient, rest = divmod(largest, second)  # both negative: the quotient is that of their magnitudes
            steps.append((i, j, quotient))
            largest, i = heapq.heapreplace(heap, (rest, i)) if rest else heapq.heappop(heap)
        return cls(steps=tuple(steps), last=i, power=-largest)

    def product(self, bases: Sequence[int], modulus: int) -> mpz:
        """∏ bases[i]^{e_i} mod modulus."""
        modulus = mpz(modulus)
        values = [mpz(base) for base in bases]
        for i, j, quotient in self.steps:
            factor = values[i] if quotient == 1 else powmod(values[i], quotient, modulus)
            values[j] = values[j] * factor % modulus
        return powmod(values[self.last], self.power, modulus)


def multi_power(bases: Sequence[int], exponents: Sequence[int], modulus: int) -> mpz:
    """∏ bases[i]^{exponents[i]} mod modulus, exponents ≥ 0 (1 when none is given)."""
    return Chain.of(exponents).product(bases, modulus) if bases else mpz(1)
