"""The model that a task begins with."""

from __future__ import annotations

from dapp.device import project
from dapp.device.training import Split, parts


def first_model(split: Split) -> bytes:
    """The task's first model, w^(0), as a file; checked against the data before anything is put on a chain.

    Raises:
        LearningError: model and data do not go together.
    """
    from dapp.learning.metrics import accuracy
    from dapp.learning.models import encode_model, flatten

    template = project.template(split.model, split.folder, split.seed)
    vector = flatten(template)
    accuracy(template, vector, parts(split)[0])
    return encode_model(vector, template)
