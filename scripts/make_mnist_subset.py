"""Make the MNIST subset that ships with Cairn from the four original IDX files.

    python scripts/make_mnist_subset.py FOLDER_WITH_THE_IDX_FILES

The first 600 training and the first 100 test images of each digit, in the original order: 6,000 and 1,000 images,
balanced by class. The same input gives the same arrays; the test suite holds their digest.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CLASSES = 10
TRAIN_PER_CLASS = 600
TEST_PER_CLASS = 100
TARGET = Path(__file__).parent.parent / "dapp" / "learning" / "datasets" / "mnist" / "subset.npz"


def read_idx(path: Path) -> NDArray[np.uint8]:
    """An IDX file of unsigned bytes: two zero bytes, type 8, the number of dimensions, big-endian sizes, values."""
    content = path.read_bytes()
    if content[:3] != b"\0\0\x08":
        raise SystemExit(f"{path} is not an IDX file of unsigned bytes (unpack it first if it ends in .gz)")
    dimensions = content[3]
    shape = np.frombuffer(content, ">u4", dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def first_of_each_class(labels: NDArray[np.uint8], count: int) -> NDArray[np.int64]:
    """Indices of the first ``count`` samples of each digit, in the original order."""
    chosen = [np.flatnonzero(labels == digit)[:count] for digit in range(CLASSES)]
    return np.sort(np.concatenate(chosen))


def main(folder: Path) -> None:
    arrays = {}
    for split, prefix, count in (("train", "train", TRAIN_PER_CLASS), ("test", "t10k", TEST_PER_CLASS)):
        images = read_idx(folder / f"{prefix}-images-idx3-ubyte")
        labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte")
        chosen = first_of_each_class(labels, count)
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = images[chosen], labels[chosen]
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(TARGET, **arrays)  # type: ignore[arg-type]  # numpy's stub takes its own flag for an array
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
