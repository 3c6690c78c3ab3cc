"""One tree of settings, whatever they were set by; and what a wrong one is answered."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from dapp.crypto.paillier import MIN_BITS
from dapp.errors import ExitCode, KeyTooSmall, SettingsError
from dapp.learning.partition import PARTITIONS
from dapp.learning.strategy import STRATEGIES, strategy
from dapp.settings import MIN_KEY_BITS, MIN_WINDOW, Settings, check, describe, load, to_toml_template
from dapp.settings.task import SCHEMA


def overridden(*overrides: str) -> Settings:
    return load(None, {}, overrides)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "task.toml"
    path.write_text(text)
    return path


def refusal(
    overrides: Sequence[str] = (), environment: dict[str, str] | None = None, path: Path | None = None
) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load(path, environment or {}, overrides)
    assert caught.value.code is ExitCode.SETTINGS
    assert caught.value.help
    return caught.value


class TestSources:
    def test_nothing_given_gives_the_defaults(self) -> None:
        assert load(None, {}, []) == Settings()

    def test_a_later_source_wins(self, tmp_path: Path) -> None:
        path = written(tmp_path, "devices = 5\nedges = 2\nverifiers = 8\n[learning]\nrounds = 3\n")
        environment = {"CAIRN_EDGES": "3", "CAIRN_VERIFIERS": "9", "CAIRN_LEARNING_ROUNDS": "4", "HOME": "/"}
        settings = load(path, environment, ["verifiers=11"])
        assert (settings.devices, settings.learning.rounds) == (5, 4)
        assert (settings.edges, settings.verifiers) == (3, 11)

    def test_a_key_that_one_section_has_needs_no_section(self) -> None:
        assert overridden("rounds=3", "alpha=0.1", "seats=3") == overridden(
            "learning.rounds=3", "learning.partition_options.alpha=0.1", "panel.seats=3"
        )

    def test_a_key_that_two_sections_have_needs_one(self) -> None:
        assert str(refusal(["bits=8"])) == "-c bits=8: 'bits' may be encoding.bits or key.bits"

    def test_a_full_key_is_never_ambiguous(self) -> None:
        settings = overridden("seed=3", "windows.seed=900")
        assert (settings.seed, settings.windows.seed) == (3, 900)

    @pytest.mark.parametrize(
        ("override", "value"),
        [
            ("learning_rate=1", 1.0),
            ("learning_rate = 5e-1", 0.5),
            ("full_batch=True", True),
            ("partition=shard", "shard"),
            ("model=my_model.py:Net", "my_model.py:Net"),
            ("samples_per_device=1_000", 1000),
        ],
    )
    def test_a_flag_is_read_in_the_type_of_its_key(self, override: str, value: object) -> None:
        read = getattr(overridden(override).learning, override.partition("=")[0].strip())
        assert (read, type(read)) == (value, type(value))

    def test_a_whole_number_in_the_file_may_stand_for_a_number(self, tmp_path: Path) -> None:
        clip = load(written(tmp_path, "encoding.clip = 1"), {}, []).encoding.clip
        assert (clip, type(clip)) == (1.0, float)


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "line", "message", "help"),
        [
            ("\n[learning]\nround = 3", 3, "there is no key 'learning.round'", "did you mean 'learning.rounds'?"),
            ("[learnin]\nrounds = 3", 1, "there is no section [learnin]", "did you mean 'learning'?"),
            ("rounds = 3", 1, "there is no key 'rounds'", "did you mean 'learning.rounds'?"),
            ("learning.round = 3", 1, "there is no key 'learning.round'", "did you mean 'learning.rounds'?"),
            ("learning = {rounds = 3, epoch = 2}", 1, "there is no key 'learning.epoch'", "Known here: strategy"),
            ("\nlearning = 3", 2, "learning is a section, not a key", "write [learning]"),
            ("[[learning]]\nrounds = 3", 1, "learning is a section, not a key", "write [learning]"),
            (
                "[learning]\n# λ\nrounds = 0",
                3,
                "learning.rounds must be a whole number from 1 to 1,000,000, not 0",
                "Epochs p",
            ),
            ("devices = true", 1, "devices must be a whole number from 1 to 256, not true", "Devices"),
            ('devices = "ten"', 1, "devices must be a whole number from 1 to 256, not 'ten'", "Devices"),
            ("devices = 10.0", 1, "devices must be a whole number from 1 to 256, not 10.0", "Devices"),
            ("\n[learning]\nepsilon = nan", 3, "learning.epsilon must be a number of at least 0, not nan", "ε"),
            ("[learning]\nlearning_rate = 0", 2, "learning.learning_rate must be a number above 0, not 0", "λ"),
            (
                '[learning]\n\nstrategy = "fedavgg"',
                3,
                "learning.strategy must be one of fedavg, fedprox, blockdeepnet, not 'fedavgg'",
                "did you mean 'fedavg'?",
            ),
            ('[learning]\nmodel = "net.py"', 2, "or \"file.py:Name\", not 'net.py'", "The network"),
            ("[learning]\nfull_batch = 1", 2, "learning.full_batch must be true or false, not 1", "Every local"),
            ('name = "../x"', 1, "name must be a text of letters", "Name of the task"),
            ("[learning]\nrounds 3", 2, "not TOML", "A line is `key = value`"),
            ("devices = 1" + "0" * 400, 1, "devices must be a whole number from 1 to 256", "Devices"),
        ],
    )
    def test_a_wrong_file_is_answered_with_its_line_and_a_way_out(
        self, tmp_path: Path, text: str, line: int, message: str, help: str
    ) -> None:
        path = written(tmp_path, text)
        error = refusal(path=path)
        assert str(error).startswith(f"{path}:{line}: ")
        assert message in str(error)
        assert error.help.startswith(help)

    def test_a_file_that_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        assert str(refusal(path=tmp_path / "task.toml")) == (
            f"{tmp_path / 'task.toml'} cannot be read: No such file or directory"
        )
        path = tmp_path / "latin.toml"
        path.write_bytes(b"name = '\xe9'")
        assert str(refusal(path=path)) == f"{path} is not a text file in UTF-8"

    @pytest.mark.parametrize(
        ("override", "message", "help"),
        [
            ("rounds", "-c rounds: no value", "Write -c key=value"),
            ("round=3", "-c round=3: there is no key 'round'", "did you mean 'learning.rounds'?"),
            ("learnings.rounds=3", "there is no key 'learnings.rounds'", "did you mean 'learning.rounds'?"),
            ("encoding.rounds=3", "there is no key 'encoding.rounds'", "did you mean 'learning.rounds'?"),
            ("rounds=three", "learning.rounds must be a whole number from 1 to 1,000,000, not 'three'", "Epochs p"),
            ("full_batch=maybe", "learning.full_batch must be true or false, not 'maybe'", "Every local"),
        ],
    )
    def test_a_wrong_flag_is_answered_with_a_way_out(self, override: str, message: str, help: str) -> None:
        error = refusal([override])
        assert message in str(error)
        assert error.help.startswith(help)

    def test_a_wrong_variable_is_answered_with_the_right_one(self) -> None:
        error = refusal(environment={"CAIRN_LEARNING_ROUND": "3"})
        assert str(error) == "environment variable CAIRN_LEARNING_ROUND: there is no such setting"
        assert error.help == "did you mean 'CAIRN_LEARNING_ROUNDS'?"
        assert "environment variable CAIRN_DEVICES: devices must be" in str(refusal(environment={"CAIRN_DEVICES": "x"}))


class TestContradictions:
    @pytest.mark.parametrize(
        ("overrides", "message"),
        [
            (["devices=2"], "-c devices=2: 2 devices are fewer than cohort.min_devices = 3"),
            (["devices=17"], "-c devices=17: 17 devices are more than cohort.max_devices = 16"),
            (["holders=11"], "-c holders=11: key.holders is 11, but only 10 devices can hold a share"),
            (["threshold=5"], "-c threshold=5: key.threshold is 5, but of 10 holders it must be 6 to 10"),
            (
                ["devices=5", "threshold=6"],
                "-c threshold=6, -c devices=5: key.threshold is 6, but of 5 holders it must be 3 to 5",
            ),
            (["seats=8"], "-c seats=8: a panel of 8 seats cannot be drawn from 7 verifiers"),
            (["weight_cap=9000"], "-c weight_cap=9000: encoding.weight_cap = 9000 is over encoding.max_weight = 8192"),
            (
                ["encoding.bits=32", "max_weight=4294967295"],
                "-c encoding.bits=32, -c max_weight=4294967295: a slot of 64 bits is too wide",
            ),
            (["key.bits=2049"], "-c key.bits=2049: key.bits must be even, not 2049"),
            (
                ["opening_bond=2499999"],
                "-c opening_bond=2499999: money.opening_bond = 2,499,999 is under a quarter of money.device_pot",
            ),
            (
                ["opening_bond=77200001"],
                "-c opening_bond=77200001: money.opening_bond = 77,200,001 is over what one round can cost, 77,200,000",
            ),
            (
                ["edge_bond=77200001"],
                "-c edge_bond=77200001: money.edge_bond = 77,200,001 is over what one round can cost, 77,200,000 gwei",
            ),
        ],
    )
    def test_keys_that_contradict_each_other_are_named_with_their_places(
        self, overrides: list[str], message: str
    ) -> None:
        assert str(refusal(overrides)).startswith(message)

    def test_a_contradiction_inside_a_file_names_the_line(self, tmp_path: Path) -> None:
        path = written(tmp_path, "\n[panel]\nseats = 9")
        assert str(refusal(path=path)).startswith(f"{path}:3: a panel of 9 seats")

    def test_a_short_key_is_refused_by_its_own_error_outside_tests(self) -> None:
        with pytest.raises(
            KeyTooSmall, match=r"^-c key.bits=1024: key.bits is 1024, but .* at least 2048 bits"
        ) as caught:
            overridden("key.bits=1024")
        assert caught.value.code is ExitCode.KEY
        assert load(None, {}, ["key.bits=1024"], allow_small=True).key.bits == 1024

    @pytest.mark.parametrize("key", ["windows.commit_vote", "windows.reveal_vote", "windows.contest"])
    def test_no_window_is_too_short_to_answer_in_but_there_may_be_no_challenge(self, key: str) -> None:
        assert f"{key} must be a whole number from {MIN_WINDOW}" in str(refusal([f"{key}={MIN_WINDOW - 1}"]))
        assert overridden(f"{key}={MIN_WINDOW}", "challenge=0").windows.challenge == 0

    def test_settings_and_keys_agree_on_the_shortest_modulus(self) -> None:
        assert MIN_KEY_BITS == MIN_BITS

    def test_settings_changed_in_the_program_can_be_checked_again(self) -> None:
        check(dataclasses.replace(Settings(), devices=4))
        with pytest.raises(SettingsError, match=r"^17 devices are more"):
            check(dataclasses.replace(Settings(), devices=17))


class TestDerived:
    def test_every_device_holds_a_share_and_the_smallest_majority_opens(self) -> None:
        assert [(s.holders, s.threshold) for s in (Settings(), overridden("devices=5"))] == [(10, 6), (5, 3)]
        large = overridden("devices=100", "max_devices=100")
        assert (large.holders, large.threshold) == (32, 17)
        chosen = overridden("holders=4", "threshold=4")
        assert (chosen.holders, chosen.threshold) == (4, 4)

    def test_slots_are_as_wide_as_the_value_and_the_largest_total_weight_need(self) -> None:
        assert Settings().slot_bits == 29
        assert overridden("weighting=device").slot_bits == 20

    def test_the_terms_take_whole_nanos_and_a_target(self) -> None:
        settings = overridden("clip=0.1", "epsilon=0.001", "loss_cap=2.5", "pow_bits=16")
        assert settings.encoding.clip_nano == 100_000_000
        assert settings.encoding.loss_cap_nano == 2_500_000_000
        assert settings.learning.epsilon_nano == 1_000_000
        assert settings.mining.pow_target == 2**240 - 1
        assert Settings().mining.pow_target == 0

    def test_only_what_was_set_reaches_the_strategy_and_the_partition(self) -> None:
        assert Settings().learning.strategy_changes() == {}
        settings = overridden("strategy=fedprox", "mu=0", "full_batch=true", "alpha=0.1")
        assert settings.learning.strategy_changes() == {"full_batch": True, "mu": 0.0}
        assert settings.learning.partition_options.given() == {"alpha": 0.1}
        assert strategy("fedprox", **settings.learning.strategy_changes()).batch_size == 0

    def test_settings_name_every_strategy_and_partition_there_is(self) -> None:
        for name in STRATEGIES:
            assert overridden(f"strategy={name}").learning.strategy == name
        for name in PARTITIONS:
            assert overridden(f"partition={name}").learning.partition == name
        assert "one of fedavg, fedprox, blockdeepnet, not" in str(refusal(["strategy=x"]))
        assert len(STRATEGIES) == 3
        assert f"one of {', '.join(PARTITIONS)}, not" in str(refusal(["partition=x"]))


class TestTexts:
    def test_the_template_of_a_new_task_holds_the_defaults(self, tmp_path: Path) -> None:
        assert load(written(tmp_path, to_toml_template()), {}, []) == Settings()
        named = load(written(tmp_path, to_toml_template("my-task")), {}, [])
        assert named == dataclasses.replace(Settings(), name="my-task")
        with pytest.raises(SettingsError, match="a new task: name must be"):
            to_toml_template('my "task"')

    def test_the_template_explains_every_key_and_can_be_filled_in(self, tmp_path: Path) -> None:
        lines = to_toml_template().splitlines()
        keys = [
            number for number, line in enumerate(lines) if line.removeprefix("# ").split("=")[0].strip().isidentifier()
        ]
        assert all(lines[number - 1].startswith("# ") for number in keys)
        filled = to_toml_template().replace("# mu =", "mu = 0.5")
        assert tomllib.loads(filled)["learning"]["mu"] == 0.5
        assert load(written(tmp_path, filled), {}, []).learning.mu == 0.5

    def test_the_help_lists_every_key_of_the_template(self) -> None:
        listed = describe()
        for key, value in tomllib.loads(to_toml_template()).items():
            for name in value if isinstance(value, dict) else ():
                assert f"\n{key}.{name}" in listed
        assert "learning.rounds = 5\n    Epochs p" in listed

    def test_no_two_keys_share_a_variable(self) -> None:
        variables = [entry.variable for entry in SCHEMA.entries]
        assert len(set(variables)) == len(variables)

    def test_reading_settings_loads_no_heavy_module(self) -> None:
        script = (
            "import sys, dapp.settings as s; s.load(None, {}, []); "
            "print(sorted({'torch', 'numpy', 'web3', 'gmpy2'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout == "[]\n"
