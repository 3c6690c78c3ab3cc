"""A model file as one vector, for those who have no code of the model: edges, verifiers, auditors.

A model file is a safetensors header that follows from the architecture, and the weights in one piece
(``dapp.learning.models``). Who knows the task's first model knows the header of all that follow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dapp.errors import BlobError

Vector = NDArray[np.float32]
"""A flat weight vector, (weights,)."""


def weights_of(content: bytes) -> Vector:
    """The weights in a model file, (weights,).

    Raises:
        BlobError: no safetensors header, no weights, or weights that are NaN or infinite.
    """
    start = _header_length(content)
    vector = np.frombuffer(content, "<f4", offset=start).astype(np.float32)
    if not np.isfinite(vector).all():
        raise BlobError("the model file holds NaN or infinite weights")
    return vector


def model_like(base: bytes, vector: Vector) -> bytes:
    """The model file of the same architecture as ``base`` with other weights.

    Raises:
        BlobError: ``base`` is no model file, or has another number of weights.
    """
    start = _header_length(base)
    if len(base) != start + 4 * len(vector):
        raise BlobError(f"the model file has {(len(base) - start) // 4:,} weights, not {len(vector):,}")
    return base[:start] + vector.astype("<f4").tobytes()


def _header_length(content: bytes) -> int:
    start = 8 + int.from_bytes(content[:8], "little")
    if len(content) <= start or (len(content) - start) % 4:
        raise BlobError(f"{len(content):,} bytes are not a model file")
    return start
