"""The data that the devices learn from; the partition in task.toml splits the training set over them."""

from dapp.learning.data import Dataset, mnist_subset


def dataset() -> tuple[Dataset, Dataset]:
    """The training set and the test set.

    Each may also be a pair (inputs, labels) of tensors or NumPy arrays: inputs float32, (samples, …), labels int64,
    (samples,), from 0. For example:

        train = torch.load("train.pt", weights_only=True)
        test = torch.load("test.pt", weights_only=True)
        return (train["x"], train["y"]), (test["x"], test["y"])
    """
    return mnist_subset()
