from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import cbor2
import pytest

from dapp.errors import BlobError, LearningError
from dapp.learning.strategy import MAX_CANONICAL, STRATEGIES, Strategy, parse, strategy

FEDAVG = STRATEGIES["fedavg"]


def test_every_default_is_known_by_the_name_it_bears() -> None:
    assert all(default.name == name for name, default in STRATEGIES.items())


def test_only_equation_3_needs_a_gradient_round() -> None:
    assert [name for name, default in STRATEGIES.items() if default.gradient_round] == ["blockdeepnet"]


def test_steps_are_given_or_follow_from_the_passes_over_the_data() -> None:
    assert strategy("fedavg", local_steps=7).steps(1000) == 7
    assert strategy("fedavg", local_epochs=2, batch_size=32).steps(65) == 6
    assert strategy("blockdeepnet", local_epochs=3, full_batch=True).steps(1000) == 3


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_the_canonical_form_is_read_back(name: str) -> None:
    assert parse(STRATEGIES[name].canonical()) == STRATEGIES[name]


def test_every_parameter_is_bound_by_the_canonical_form() -> None:
    plain = strategy("blockdeepnet", local_steps=5)
    proximal = STRATEGIES["fedprox"]
    changed = [
        plain,
        proximal,
        replace(plain, learning_rate=0.3),
        replace(plain, local_steps=6),
        replace(plain, local_steps=0, local_epochs=5),
        replace(plain, batch_size=5),
        replace(plain, batch_size=0, full_batch=True),
        replace(plain, printed=True),
        replace(proximal, momentum=0.1),
        replace(proximal, mu=0.2),
    ]
    assert len({strategy.canonical() for strategy in changed}) == len(changed)


def test_a_whole_number_serves_as_a_rate_and_has_one_canonical_form() -> None:
    assert strategy("fedavg", learning_rate=1).canonical() == strategy("fedavg", learning_rate=1.0).canonical()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"learning_rate": 0}, "learning_rate must be positive"),
        ({"learning_rate": float("nan")}, "learning_rate must be finite"),
        ({"learning_rate": "fast"}, "learning_rate must be float, not 'fast'"),
        ({"batch_size": 2.5}, "batch_size must be int, not 2.5"),
        ({"batch_size": True}, "batch_size must be int, not True"),
        ({"batch_size": -1}, r"batch_size must be in 0…1,000,000"),
        ({"batch_size": 0}, "set batch_size, or full_batch"),
        ({"batch_size": 8, "full_batch": True}, "set batch_size, or full_batch"),
        ({"local_steps": 3, "local_epochs": 3}, "set local_steps or local_epochs, not both"),
        ({"local_epochs": 0}, "set local_steps or local_epochs"),
        ({"local_epochs": 10**7}, "local_epochs must be in 0…1,000,000"),
        ({"learning_rate": 10**400}, "learning_rate must be float"),
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\)"),
        ({"mu": 0.1}, "mu belongs to fedprox"),
        ({"printed": True}, "printed belongs to blockdeepnet"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(LearningError, match="strategy 'fedavg': ") as refused:
        strategy("fedavg", **changes)
    refused.match(sentence)


def test_equation_3_refuses_momentum_and_fedprox_a_negative_mu() -> None:
    with pytest.raises(LearningError, match=r"Eq\. 3 has no momentum"):
        strategy("blockdeepnet", momentum=0.9)
    with pytest.raises(LearningError, match="mu must not be negative"):
        strategy("fedprox", mu=-1.0)


def test_wrong_names_get_the_nearest_right_one() -> None:
    with pytest.raises(LearningError, match="no strategy called 'fedavgg'") as refused:
        strategy("fedavgg")
    assert refused.value.help == "did you mean 'fedavg'?"
    with pytest.raises(LearningError, match="no parameter of strategy 'fedavg' called 'learning_rte'") as refused:
        strategy("fedavg", learning_rte=1.0)
    assert refused.value.help == "did you mean 'learning_rate'?"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "must be CBOR"),
        (b"\xff", "must be CBOR"),
        (cbor2.dumps([1]), "all its parameters and nothing else"),
        (cbor2.dumps(asdict(FEDAVG) | {"more": 1}, canonical=True), "all its parameters and nothing else"),
        (cbor2.dumps(asdict(FEDAVG)), "canonical"),
        (FEDAVG.canonical() + b"\0", "canonical"),
        (bytes(MAX_CANONICAL + 1), "at most 1024 bytes"),
    ],
)
def test_bytes_that_are_not_the_canonical_form_are_refused(content: bytes, sentence: str) -> None:
    with pytest.raises(BlobError, match=sentence):
        parse(content)


def test_a_canonical_form_of_unusable_values_is_refused() -> None:
    with pytest.raises(LearningError, match="learning_rate must be positive"):
        parse(cbor2.dumps(asdict(FEDAVG) | {"learning_rate": -1.0}, canonical=True))


def test_defaults_are_strategies_that_can_be_made_again() -> None:
    assert Strategy(**asdict(FEDAVG)) == FEDAVG
