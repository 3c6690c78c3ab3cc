"""A device's model and data, by the names that the settings give them: ours, or a file of the user's project."""

from __future__ import annotations

import importlib.util
import sys
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dapp.errors import LearningError

if TYPE_CHECKING:
    from torch import nn

    from dapp.learning.data import Dataset


@lru_cache(maxsize=8)
def data_sets(data: str, folder: str) -> tuple[Dataset, Dataset]:
    """The training and the test set: "mnist", or ``file.py:function`` below the project's folder.

    Raises:
        LearningError: the file or the function cannot be used; names it.
    """
    from dapp.learning import data as sets

    if data == "mnist":
        return sets.mnist_subset()
    file, function = _reference("data", data)
    return sets.user_dataset(_named(folder, file, function), f"{function}() in {file}")


@lru_cache(maxsize=8)
def template(model: str, folder: str, seed: int) -> nn.Module:
    """The model with its first weights: a name of ours, or ``file.py:Class`` below the project's folder.

    Raises:
        LearningError: the file or the class cannot be used; names it.
    """
    from dapp.learning import models

    if ".py:" not in model:
        return models.create(model, seed)
    file, name = _reference("model", model)
    return models.create(_named(folder, file, name), seed)


def _reference(what: str, reference: str) -> tuple[str, str]:
    file, _, name = reference.partition(":")
    if not file.endswith(".py") or not name.isidentifier():
        raise LearningError(f"{what} '{reference}' is neither a name of ours nor file.py:Name")
    return file, name


def _named(folder: str, file: str, name: str) -> Any:
    module = _module(str(Path(folder, file).resolve()))
    if not callable(found := getattr(module, name, None)):
        raise LearningError(f"{file} defines no {name}", help=f"define {name} in {Path(folder, file)}")
    return found


@lru_cache(maxsize=8)
def _module(path: str) -> ModuleType:
    """The user's own file, run as Python runs any script of theirs."""
    spec = importlib.util.spec_from_file_location(f"cairn_project_{Path(path).stem}", path)
    if spec is None or spec.loader is None or not Path(path).is_file():
        raise LearningError(f"there is no file {path}", help="check the path in task.toml, relative to its folder")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise LearningError(
            f"{path} fails: {type(error).__name__}: {error}", help="run it with python to see"
        ) from error
    return module
