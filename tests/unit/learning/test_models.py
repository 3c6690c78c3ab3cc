from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from dapp.errors import BlobError, LearningError
from dapp.learning.data import Dataset
from dapp.learning.models import (
    Network,
    PaperCNN,
    SmallCNN,
    create,
    decode_model,
    encode_model,
    encoded_size,
    flatten,
    unflatten,
)

IMAGES = torch.linspace(-1, 1, 3 * 784).reshape(3, 1, 28, 28)


def test_the_papers_network_has_the_papers_shapes() -> None:
    shapes = {name: tuple(weights.shape) for name, weights in create("paper-cnn", 0).named_parameters()}
    assert shapes == {
        "conv.weight": (10, 1, 3, 3),
        "conv.bias": (10,),
        "hidden.weight": (128, 1960),
        "hidden.bias": (128,),
        "output.weight": (10, 128),
        "output.bias": (10,),
    }
    assert flatten(create("paper-cnn", 0)).shape == (252_398,)


def test_the_small_network_has_few_weights() -> None:
    assert flatten(create("small-cnn", 0)).shape == (2_242,)


def test_a_seed_fixes_the_first_weights_and_leaves_the_callers_chance_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = (flatten(create("small-cnn", seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("factory", [SmallCNN, PaperCNN])
def test_flattening_and_unflattening_are_inverse(factory: type[nn.Module]) -> None:
    model, other = create(factory, 1), create(factory, 2)
    back = unflatten(flatten(model), other)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), back.parameters(), strict=True))
    assert not np.array_equal(flatten(other), flatten(model))


def test_a_network_gives_the_modules_outputs_and_gradient_at_any_weights() -> None:
    template, model = create("small-cnn", 0), create("small-cnn", 7)
    labels = torch.tensor([3, 1, 4])
    network = Network(template)
    w = network.weights(flatten(model))
    assert torch.equal(network.outputs(w, IMAGES), model(IMAGES))
    loss = nn.functional.cross_entropy(model(IMAGES), labels)
    loss.backward()  # type: ignore[no-untyped-call]
    gradient, mean = network.gradient(w, IMAGES, labels)
    expected = torch.cat([weights.grad.flatten() for weights in model.parameters() if weights.grad is not None])
    assert torch.allclose(gradient, expected, atol=1e-6)
    assert mean == pytest.approx(loss.item(), rel=1e-6)


def test_a_gradient_over_many_blocks_is_the_gradient_of_the_whole() -> None:
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.randn(700, 1, 28, 28, generator=generator), torch.arange(700) % 10
    model = create("small-cnn", 0)
    network = Network(model)
    nn.functional.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
    expected = torch.cat([weights.grad.flatten() for weights in model.parameters() if weights.grad is not None])
    gradient, _ = network.gradient(network.weights(flatten(model)), images, labels)
    assert torch.allclose(gradient, expected, atol=1e-6)


def test_a_vector_of_another_model_or_type_is_refused() -> None:
    template = create("small-cnn", 0)
    wrong: list[Any] = [np.zeros(2_241, np.float32), np.zeros(2_242), np.zeros((2_242, 1), np.float32)]
    for vector in wrong:
        for use in (lambda v: unflatten(v, template), lambda v: encode_model(v, template), Network(template).weights):
            with pytest.raises(LearningError, match="SmallCNN has 2,242 float32 weights"):
                use(vector)


def test_a_model_file_is_safetensors_that_its_own_library_reads() -> None:
    model = create("small-cnn", 3)
    tensors = safetensors.torch.load(encode_model(flatten(model), model))
    assert tensors.keys() == model.state_dict().keys()
    assert all(torch.equal(tensors[name], weights) for name, weights in model.named_parameters())


def test_a_model_file_round_trips_and_has_the_promised_size() -> None:
    model = create("paper-cnn", 3)
    content = encode_model(flatten(model), model)
    assert len(content) == encoded_size(model)
    assert content.endswith(flatten(model).tobytes())
    assert np.array_equal(decode_model(content, create("paper-cnn", 4)), flatten(model))
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert header["__metadata__"] == {"architecture": "PaperCNN"}


def test_a_model_file_that_is_cut_padded_changed_or_of_another_model_is_refused() -> None:
    model = create("small-cnn", 3)
    content = encode_model(flatten(model), model)
    for wrong in (b"", content[:-1], content + b"\0", encode_model(flatten(create("paper-cnn", 0)), PaperCNN())):
        with pytest.raises(BlobError, match="bytes"):
            decode_model(wrong, model)
    with pytest.raises(BlobError, match="header"):
        decode_model(content.replace(b"SmallCNN", b"LargeCNN"), model)
    poisoned = content[:-4] + np.float32(np.nan).tobytes()
    with pytest.raises(BlobError, match="NaN"):
        decode_model(poisoned, model)


def test_a_model_that_is_not_finite_is_not_published() -> None:
    with pytest.raises(LearningError, match="NaN or infinite"):
        encode_model(np.full(2_242, np.inf, np.float32), create("small-cnn", 0))


def test_an_unknown_model_name_gets_the_nearest_one() -> None:
    with pytest.raises(LearningError, match="no model called 'small-cn'") as refused:
        create("small-cn", 0)
    assert refused.value.help == "did you mean 'small-cnn'?"


def broken() -> nn.Module:
    raise ValueError("no such file")


@pytest.mark.parametrize(
    ("factory", "sentence"),
    [
        (broken, "model broken cannot be made: ValueError: no such file"),
        (dict, "made a dict"),
        (nn.ReLU, "no parameter"),
        (lambda: nn.Linear(2, 2).requires_grad_(False), "no parameter"),
        (lambda: nn.Linear(2, 2).double(), "weight is torch.float64"),
        (lambda: nn.BatchNorm1d(3), "running_mean"),
    ],
)
def test_a_users_unusable_model_is_refused_with_the_reason(factory: type[nn.Module], sentence: str) -> None:
    with pytest.raises(LearningError, match=sentence):
        create(factory, 0)


def test_a_model_is_told_when_it_does_not_go_with_the_data() -> None:
    class NoScores(nn.Linear):
        def forward(self, inputs: Tensor) -> Tensor:
            return super().forward(inputs).sum()

    data = Dataset(torch.zeros(2, 3), torch.tensor([0, 4]), "theirs")
    for model, sentence in (
        (nn.Linear(4, 5), r"cannot take inputs of shape \(1, 3\)"),
        (nn.Linear(3, 4), "data set 'theirs' holds label 4, model Linear knows 4 classes"),
        (NoScores(3, 5), r"gave a torch.float32 tensor of shape \(\)"),
    ):
        network = Network(model)
        with pytest.raises(LearningError, match=sentence):
            network.check(network.weights(flatten(model)), data)
