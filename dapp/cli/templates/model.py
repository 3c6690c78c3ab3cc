"""The network that the devices learn together.

Any torch.nn.Module does whose state is its parameters alone: GroupNorm instead of BatchNorm. Fewer weights mean
fewer ciphertexts: this one has 2,242, which fit into 33.
"""

from torch import Tensor, nn


class Model(nn.Module):
    """A small convolutional network for 28 × 28 pictures of ten classes."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 12, 5, stride=2),
            nn.ReLU(),
            nn.MaxPool2d(3),
            nn.Flatten(),
            nn.Linear(192, 10),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """One score a class, (samples, 10), for pictures, (samples, 1, 28, 28)."""
        scores: Tensor = self.layers(pictures)
        return scores
