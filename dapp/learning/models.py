"""Models, as modules, as flat vectors, and as bytes.

A round moves one vector: the model's parameters, each flattened in row-major order, one after the other in the order
of ``named_parameters()``. A model file is that vector behind a safetensors header.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor, nn

from dapp.errors import BlobError, LearningError
from dapp.learning.data import Dataset
from dapp.learning.determinism import seeded
from dapp.learning.names import by_name
from dapp.learning.vectors import Vector

ModelFactory = Callable[[], nn.Module]

BLOCK = 256
"""Samples that go through a model at once: bounds the memory, and fixes the order in which sums are rounded."""


class PaperCNN(nn.Module):
    """BlockDeepNet's network (§5) on 28 × 28 × 1: w1 (10, 1, 3, 3), w2 (1960, 128), w3 (128, 10); 252,398 weights."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 10, 3, padding=1)
        self.hidden = nn.Linear(1960, 128)
        self.output = nn.Linear(128, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Scores, (samples, 10), of images, (samples, 1, 28, 28)."""
        features = F.max_pool2d(F.relu(self.conv(images)), 2)
        scores: Tensor = self.output(F.relu(self.hidden(features.flatten(1))))
        return scores


class SmallCNN(nn.Module):
    """A network for 28 × 28 × 1 in which every weight is worth its place in a ciphertext: 2,242 weights."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 12, 5, stride=2)
        self.output = nn.Linear(192, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Scores, (samples, 10), of images, (samples, 1, 28, 28)."""
        centred = (images - 0.1307) / 0.3081  # mean and deviation of MNIST's pixels
        features = F.max_pool2d(F.relu(self.conv(centred)), 3)
        scores: Tensor = self.output(features.flatten(1))
        return scores


MODELS: dict[str, ModelFactory] = {"small-cnn": SmallCNN, "paper-cnn": PaperCNN}


def create(model: str | ModelFactory, seed: int) -> nn.Module:
    """A model with the initial weights that ``seed`` gives: one of ``MODELS`` by name, or what a factory makes.

    Args:
        seed: 0 ≤ seed < 2⁶³.

    Raises:
        LearningError: no model of that name; a factory that fails or makes something that cannot be learnt together.
    """
    factory = by_name("model", model, MODELS) if isinstance(model, str) else model
    name = getattr(factory, "__qualname__", repr(factory))
    try:
        with seeded(seed):
            module = factory()
    except Exception as error:
        raise LearningError(f"model {name} cannot be made: {type(error).__name__}: {error}") from error
    if not isinstance(module, nn.Module):
        raise LearningError(f"model {name} made a {type(module).__name__}", help="return a torch.nn.Module")
    parameters = dict(module.named_parameters())
    if not any(weights.requires_grad for weights in parameters.values()):
        raise LearningError(f"model {name} has no parameter that can be learnt")
    for parameter, weights in parameters.items():
        if weights.dtype != torch.float32:
            raise LearningError(f"model {name}: {parameter} is {weights.dtype}", help="use float32 throughout")
    if more := sorted(module.state_dict().keys() - parameters.keys()):
        raise LearningError(
            f"model {name} keeps state that is not a parameter of its own: {', '.join(more)}",
            help="only parameters travel; use GroupNorm instead of BatchNorm, persistent=False for constants, "
            "and no shared weights",
        )
    return module


class Network:
    """A model as a function of its flat weight vector: the papers' f(w; x).

    Its parameters are views of one vector and their gradients of another: an evaluation at ``w`` copies ``w`` in, and
    backward leaves the flat gradient behind. A quarter faster than ``functional_call``, with the same bits.

    Args:
        template: gives the architecture; its weights are not looked at, and it is not changed.
        training: run dropout and the like as in training.
    """

    def __init__(self, template: nn.Module, *, training: bool = False) -> None:
        self.name = type(template).__name__
        self._module = copy.deepcopy(template).train(training)
        parameters = list(self._module.parameters())
        sizes = [weights.numel() for weights in parameters]
        self.size = sum(sizes)
        self._weights, self._gradient = torch.zeros(self.size), torch.zeros(self.size)
        views = zip(
            parameters, self._weights.split_with_sizes(sizes), self._gradient.split_with_sizes(sizes), strict=True
        )
        for parameter, weights, gradient in views:
            parameter.data = weights.view(parameter.shape)
            parameter.grad = gradient.view(parameter.shape)

    def outputs(self, w: Tensor, inputs: Tensor) -> Tensor:
        """Scores, (samples, classes), of the model with weights ``w``, (weights,).

        Raises:
            LearningError: the model cannot take such inputs.
        """
        self._weights.copy_(w)
        try:
            scores: Tensor = self._module(inputs)
        except Exception as error:
            raise LearningError(
                f"model {self.name} cannot take inputs of shape {tuple(inputs.shape)}: {type(error).__name__}: {error}",
                help="either the model's first layer or the data set's shape is wrong",
            ) from error
        return scores

    def gradient(self, w: Tensor, inputs: Tensor, labels: Tensor) -> tuple[Tensor, float]:
        """The gradient at ``w`` of the mean cross-entropy over the samples, (weights,), and that mean, in nats."""
        self._gradient.zero_()
        loss = 0.0
        for block, answers in zip(torch.split(inputs, BLOCK), torch.split(labels, BLOCK), strict=True):
            part = F.cross_entropy(self.outputs(w, block), answers, reduction="sum")
            part.backward()  # type: ignore[no-untyped-call]  # adds to what the blocks before left
            loss += part.item()
        return self._gradient / len(labels), loss / len(labels)

    def weights(self, w: Vector) -> Tensor:
        """``w`` as a tensor, once it is known to fit.

        Raises:
            LearningError: not float32, or not as many as the model has.
        """
        _check_vector(w, self.size, self.name)
        return torch.tensor(w)

    def check(self, w: Tensor, data: Dataset) -> None:
        """Raises ``LearningError`` unless the model takes the data set's samples and knows its labels."""
        scores = self.outputs(w, data.inputs[:1])
        if not isinstance(scores, Tensor) or scores.ndim != 2 or not scores.dtype.is_floating_point:
            raise LearningError(
                f"model {self.name} gave {_kind(scores)} for one sample of data set {data.name!r}",
                help="return one score a class: float32, (samples, classes)",
            )
        if (label := int(data.labels.max())) >= scores.shape[1]:
            raise LearningError(
                f"data set {data.name!r} holds label {label}, model {self.name} knows {scores.shape[1]} classes",
                help="widen the model's last layer, or number the labels from 0",
            )


def _kind(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a {value.dtype} tensor of shape {tuple(value.shape)}"
    return f"a {type(value).__name__}"


def _check_vector(w: Vector, size: int, name: str) -> None:
    if w.dtype != np.float32 or w.shape != (size,):
        raise LearningError(
            f"model {name} has {size:,} float32 weights; this vector is {w.dtype} of shape {w.shape}",
            help="the vector belongs to another model",
        )


def flatten(model: nn.Module) -> Vector:
    """The model's weights as one vector, (weights,)."""
    vector: Vector = torch.cat([weights.detach().flatten() for weights in model.parameters()]).numpy()
    return vector


def unflatten(vector: Vector, template: nn.Module) -> nn.Module:
    """A copy of ``template`` whose weights are ``vector``.

    Raises:
        LearningError: the vector does not fit.
    """
    model = copy.deepcopy(template)
    parameters = list(model.parameters())
    _check_vector(vector, sum(p.numel() for p in parameters), type(template).__name__)
    nn.utils.vector_to_parameters(torch.tensor(vector), parameters)
    return model


def _header(template: nn.Module) -> bytes:
    """The safetensors header of a model file: it follows from the architecture alone.

    Written here and not by the library, whose order of tensors is its own: tensors in ``named_parameters()`` order
    make the file's data the very vector, and one model one file, hence one CID.
    """
    entries: dict[str, object] = {"__metadata__": {"architecture": type(template).__name__}}
    start = 0
    for name, weights in template.named_parameters():
        end = start + 4 * weights.numel()
        entries[name] = {"dtype": "F32", "shape": list(weights.shape), "data_offsets": [start, end]}
        start = end
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header


def encode_model(vector: Vector, template: nn.Module) -> bytes:
    """The model file (safetensors) of ``template`` with weights ``vector``; one model, one sequence of bytes.

    Raises:
        LearningError: the vector does not fit, or holds NaN or infinity.
    """
    _check_vector(vector, sum(p.numel() for p in template.parameters()), type(template).__name__)
    if not np.isfinite(vector).all():
        raise LearningError(f"a model {type(template).__name__} with NaN or infinite weights is not one to publish")
    return _header(template) + vector.astype("<f4").tobytes()


def encoded_size(template: nn.Module) -> int:
    """Bytes of a model file of this architecture: what a fetcher may be made to read, and no more."""
    return len(_header(template)) + 4 * sum(weights.numel() for weights in template.parameters())


def decode_model(content: bytes, template: nn.Module) -> Vector:
    """The weight vector in a model file that claims to be of ``template``'s architecture.

    The header is compared, not parsed: a stranger's bytes are never interpreted.

    Raises:
        BlobError: another size, another architecture, or weights that are NaN or infinite.
    """
    name, header = type(template).__name__, _header(template)
    if len(content) != (size := encoded_size(template)):
        raise BlobError(
            f"a model file of {name} has {size:,} bytes, this one {len(content):,}",
            help="it was cut, or is of another architecture",
        )
    if not content.startswith(header):
        raise BlobError(
            f"the model file's header is not that of {name}",
            help="it names other tensors, shapes or metadata than the task's model",
        )
    vector = np.frombuffer(content, "<f4", offset=len(header)).astype(np.float32)
    if not np.isfinite(vector).all():
        raise BlobError(f"the model file of {name} holds NaN or infinite weights")
    return vector
