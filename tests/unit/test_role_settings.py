"""A role's settings: what its file may say, where its paths lead, and what a missing key is answered."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from dapp.errors import ExitCode, SettingsError
from dapp.settings import PACES, ROLES, Role, Settings, describe_role, load, load_role, role_template, with_pace
from dapp.settings.role import SCHEMA

NEEDED = ("chain=http://a:8545", "store=http://s:5001", "contracts=d.json", "keystore=k.json", "share=share.json")


def written(folder: Path, text: str) -> Path:
    path = folder / "role.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(role: Role, *overrides: str, path: Path | None = None) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load_role(role, path, {}, overrides)
    assert caught.value.code is ExitCode.SETTINGS
    assert caught.value.help
    return caught.value


class TestSources:
    def test_a_path_in_the_file_begins_at_the_files_folder(self, tmp_path: Path) -> None:
        text = 'chain = "http://a:1"\ncontracts = "d.json"\nkeystore = "keys/k.json"\nstore = "http://s:1, blobs"\n'
        settings = load_role("edge", written(tmp_path, text), {}, [])
        assert settings.contracts == str(tmp_path / "d.json")
        assert settings.keystore == str(tmp_path / "keys" / "k.json")
        assert settings.stores == ("http://s:1", str(tmp_path / "blobs"))

    def test_an_absolute_path_in_the_file_stays(self, tmp_path: Path) -> None:
        text = 'chain = "http://a:1"\ncontracts = "/d.json"\nkeystore = "~/k.json"\nstore = "/blobs"\n'
        settings = load_role("verifier", written(tmp_path, text), {}, [])
        assert (settings.contracts, settings.stores) == ("/d.json", ("/blobs",))
        assert settings.keystore == str(Path.home() / "k.json")

    def test_a_path_in_a_flag_begins_where_the_command_was_given(self, tmp_path: Path) -> None:
        path = written(tmp_path, 'chain = "http://a:1"\ncontracts = "d.json"\nkeystore = "k.json"\nstore = "s"\n')
        assert load_role("edge", path, {}, ["keystore=other.json"]).keystore == "other.json"

    def test_variables_of_a_role_and_of_a_task_do_not_mix(self) -> None:
        environment = {"CAIRN_ROLE_POLL": "2.5", "CAIRN_DEVICES": "5", "CAIRN_PASSWORD": "x", "CAIRN_CACHE": "/c"}
        assert load_role("edge", None, environment, NEEDED).poll == 2.5
        assert load(None, environment, []).devices == 5

    def test_several_addresses_are_separated_by_commas(self) -> None:
        settings = load_role("device", None, {}, [*NEEDED, "chain=http://a:1, http://b:2", "doors=http://c:3"])
        assert settings.chains == ("http://a:1", "http://b:2")
        assert settings.doors == ("http://c:3",)

    def test_hexadecimal_texts_become_bytes(self) -> None:
        settings = load_role("device", None, {}, [*NEEDED, f"task=0x{'ab' * 32}", f"ticket=0x{'01' * 65}"])
        assert (settings.task_id, settings.ticket) == (b"\xab" * 32, b"\x01" * 65)
        assert load_role("device", None, {}, NEEDED).task_id is None

    def test_the_cap_of_fees_is_kept_in_wei(self) -> None:
        assert load_role("edge", None, {}, [*NEEDED, "max_fee=1.5"]).max_fee_wei == 1_500_000_000


class TestRefusals:
    @pytest.mark.parametrize("missing", ["chain", "contracts", "keystore", "store"])
    @pytest.mark.parametrize("role", ROLES)
    def test_what_a_role_needs_is_asked_for(self, role: Role, missing: str) -> None:
        error = refusal(role, *(each for each in NEEDED if not each.startswith(f"{missing}=")))
        assert f"{role} needs {'a ' if missing in ('chain', 'keystore', 'store') else ''}{missing}" in str(error)

    def test_with_doors_a_device_and_a_holder_need_no_store_but_others_do(self) -> None:
        given = [*(each for each in NEEDED if not each.startswith("store=")), "doors=http://c:3"]
        assert load_role("device", None, {}, given).stores == ()
        assert load_role("holder", None, {}, given).stores == ()
        assert "a verifier needs a store" in str(refusal("verifier", *given))

    def test_a_holder_needs_its_share(self) -> None:
        assert "a holder needs device.share" in str(refusal("holder", *NEEDED[:-1]))

    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ("part=2", "device.part is 2, but there are 1 parts"),
            ("task=0x12", "task must be a text of 0x and 64 hexadecimal digits"),
            ("chain=localhost", "chain must be a text of http:// addresses"),
            ("doors=http://a:1,b", "device.doors must be"),
            ("door=8700", "edge.door must be a text of host:port, or nothing"),
            ("ticket=0x12", "device.ticket must be"),
            ("keystore=", "keystore must be a path"),
            ("max_fee=0", "max_fee must be a number"),
            ("key=k.json", "there is no key 'key'"),
            ("password=secret", "there is no key 'password'"),
        ],
    )
    def test_a_wrong_value_is_answered_with_what_is_allowed(self, override: str, message: str) -> None:
        assert message in str(refusal("device", *NEEDED, override))

    def test_two_ways_to_wait_for_finality_contradict_each_other(self) -> None:
        error = refusal("edge", *NEEDED, "finalized=true", "confirmations=3")
        assert "-c finalized=true, -c confirmations=3: finalized and confirmations contradict" in str(error)

    def test_an_unknown_key_is_answered_with_its_line_and_the_nearest_one(self, tmp_path: Path) -> None:
        path = written(tmp_path, "[edge]\n\ndor = 'x:1'\n")
        error = refusal("edge", path=path)
        assert (str(error), error.help) == (f"{path}:3: there is no key 'edge.dor'", "did you mean 'edge.door'?")

    def test_a_file_that_is_not_there_is_answered_with_how_to_get_one(self, tmp_path: Path) -> None:
        assert "cairn new --role" in refusal("edge", path=tmp_path / "none.toml").help


class TestTexts:
    @pytest.mark.parametrize("role", ROLES)
    def test_a_template_is_a_file_that_the_role_accepts(self, role: Role, tmp_path: Path) -> None:
        settings = load_role(role, written(tmp_path, role_template(role)), {}, [])
        assert settings.name == role

    @pytest.mark.parametrize("role", ROLES)
    def test_a_template_explains_the_keys_that_the_role_reads_and_no_others(self, role: Role) -> None:
        text = role_template(role)
        sections = {"holder": {"device"}, "device": {"device", "device.partition_options"}}.get(role, {role})
        told = {entry.path for entry in SCHEMA.entries if entry.is_section and f"\n[{entry.path}]\n" in text}
        assert told == sections
        for entry in SCHEMA.keys:
            of_role = entry.section == "" or entry.section in sections
            if role == "holder" and entry.section:
                of_role = entry.path in ("device.doors", "device.share")
            assert (f"{entry.path}" in describe_role(role).split()) == of_role

    def test_no_key_of_a_role_is_a_secret(self) -> None:
        names = {entry.key for entry in SCHEMA.entries}
        assert not names & {"key", "private_key", "password", "secret", "mnemonic"}

    def test_a_name_goes_into_the_template(self) -> None:
        assert tomllib.loads(role_template("edge", "north"))["name"] == "north"
        with pytest.raises(SettingsError, match="a new edge: name must be"):
            role_template("edge", "no rth")


class TestPaces:
    def test_a_pace_sets_every_window_and_nothing_else(self) -> None:
        settings = with_pace(Settings(), "fast")
        assert settings.windows == PACES["fast"]
        assert with_pace(settings, "normal") == Settings()

    def test_paces_are_in_order(self) -> None:
        fast, normal, slow = (PACES[pace] for pace in ("fast", "normal", "slow"))
        for window in ("commit", "publish", "seal", "share", "opening", "commit_vote", "reveal_vote", "seed"):
            assert getattr(fast, window) < getattr(normal, window) < getattr(slow, window)

    def test_an_unknown_pace_is_refused(self) -> None:
        with pytest.raises(SettingsError, match="there is no pace 'quick'"):
            with_pace(Settings(), "quick")
