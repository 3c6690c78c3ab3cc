from __future__ import annotations

import numpy as np
import pytest

from dapp.errors import BlobError
from dapp.learning.models import create, decode_model, encode_model, flatten
from dapp.learning.vectors import model_like, weights_of

MODEL = create("small-cnn", 0)
FILE = encode_model(flatten(MODEL), MODEL)


def test_weights_are_read_without_the_code_of_the_model() -> None:
    assert np.array_equal(weights_of(FILE), decode_model(FILE, MODEL))


def test_a_model_like_another_is_the_file_that_the_models_code_would_write() -> None:
    other = flatten(create("small-cnn", 1))
    assert model_like(FILE, other) == encode_model(other, MODEL)


@pytest.mark.parametrize("wrong", [b"", FILE[:7], FILE[:100], FILE[:-1], b"\xff" * 8 + FILE[8:]])
def test_bytes_that_are_no_model_file_are_refused(wrong: bytes) -> None:
    with pytest.raises(BlobError, match="are not a model file"):
        weights_of(wrong)


def test_weights_that_are_not_finite_are_refused() -> None:
    with pytest.raises(BlobError, match="NaN"):
        weights_of(FILE[:-4] + np.float32(np.inf).tobytes())


def test_another_number_of_weights_is_refused() -> None:
    with pytest.raises(BlobError, match="has 2,242 weights, not 2,241"):
        model_like(FILE, np.zeros(2_241, np.float32))
