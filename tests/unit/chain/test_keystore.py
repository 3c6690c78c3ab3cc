"""Keys on disk: readable by wallets, closed to others, for one process at a time, and never shown."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import traceback
from hashlib import sha256, sha512
from pathlib import Path

import pytest
from eth_account import Account as Oracle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dapp.chain import keystore
from dapp.chain.keys import Account
from dapp.chain.keystore import KeyInUse
from dapp.errors import CairnError, KeyFileError

KEY = bytes(range(1, 33))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guess that costs nothing, for tests that are not about that."""
    monkeypatch.setattr(keystore, "SCRYPT_N", 2)


def test_a_key_is_written_as_every_wallet_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "device.json"
    account = keystore.import_key(path, KEY, "correct horse")
    content = json.loads(path.read_text())
    assert content["version"] == 3
    assert content["crypto"]["kdf"] == "scrypt"
    assert content["crypto"]["kdfparams"]["n"] == 2**18
    assert bytes(Oracle.decrypt(content, "correct horse")) == KEY
    assert keystore.load(path, "correct horse").private_key == KEY == account.private_key
    assert keystore.address(path) == account.address


def test_a_wallets_keystore_is_read(tmp_path: Path) -> None:
    path = tmp_path / "wallet.json"
    path.touch(0o600)
    path.write_text(json.dumps(Oracle.encrypt(KEY, "pass", kdf="pbkdf2", iterations=2)))
    assert keystore.load(path, "pass").address == Account(KEY).address


@pytest.mark.usefixtures("quick")
def test_every_new_key_is_another(tmp_path: Path) -> None:
    assert keystore.new(tmp_path / "a", "p").address != keystore.new(tmp_path / "b", "p").address


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o377])
def test_a_keystore_is_its_owners_whatever_the_umask_which_stays(tmp_path: Path, mask: int) -> None:
    (tmp_path / "keys").mkdir()
    before = os.umask(mask)
    try:
        keystore.new(tmp_path / "keys" / "key.json", "p")
    finally:
        assert os.umask(before) == mask
    assert stat.S_IMODE((tmp_path / "keys" / "key.json").stat().st_mode) == 0o600


@pytest.mark.usefixtures("quick")
def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    keystore.new(path, "p")
    before = path.read_bytes()
    with pytest.raises(KeyFileError, match="is there already"):
        keystore.new(path, "p")
    assert path.read_bytes() == before


@pytest.mark.usefixtures("quick")
def test_a_keystore_needs_a_password_and_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="without a password"):
        keystore.new(tmp_path / "key.json", "")
    keystore.new(tmp_path / "key.json", "right")
    with pytest.raises(KeyFileError, match="the password does not open"):
        keystore.load(tmp_path / "key.json", "wrong")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_keystore_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key.json"
    keystore.new(path, "p")
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=rf"open to others \(mode {mode:04o}\)") as caught:
        keystore.load(path, "p")
    assert "chmod 600" in caught.value.help


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"version": 3}', '{"version": 3, "crypto": {}}', "x" * 70_000], ids=len
)
def test_what_is_no_keystore_is_called_so(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key.json"
    path.touch(0o600)
    path.write_text(content)
    with pytest.raises(KeyFileError, match="is no keystore"):
        keystore.load(path, "p")


def test_a_missing_keystore_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"there is no keystore .*nowhere\.json"):
        keystore.load(tmp_path / "nowhere.json", "p")


@pytest.mark.usefixtures("quick")
def test_a_keystore_that_names_another_address_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    keystore.new(path, "p")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"address": "11" * 20}))
    with pytest.raises(KeyFileError, match="says it holds the key of"):
        keystore.load(path, "p")


def test_a_plain_key_is_taken_on_development_chains_only() -> None:
    for chain_id in (1337, 31337):
        assert keystore.plain("0x" + KEY.hex(), chain_id).private_key == KEY
    with pytest.raises(KeyFileError, match=r"plain text is not taken on chain 1$"):
        keystore.plain(KEY.hex(), 1)


def test_a_second_process_with_the_key_refuses_and_names_the_first(tmp_path: Path) -> None:
    address = Account(KEY).address
    program = (
        "import sys; from pathlib import Path; from dapp.chain.keystore import hold; from dapp.types import Address\n"
        "with hold(Path(sys.argv[1]), Address(bytes.fromhex(sys.argv[2])), int(sys.argv[3])): print('held')"
    )

    def other(chain_id: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, str(tmp_path), address.hex(), str(chain_id)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    with keystore.hold(tmp_path, address, 1337):
        refused = other(1337)
        assert f"process {os.getpid()} acts with the key of 0x{address.hex()} on chain 1337" in refused.stderr
        assert other(31337).stdout == "held\n", "another chain is another matter"
        with pytest.raises(KeyInUse), keystore.hold(tmp_path, address, 1337):
            pass
    assert other(1337).stdout == "held\n"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**64),
    length=st.sampled_from([0, 31, 32, 32, 32, 33]),
    spoilt=st.integers(0, 400),
    byte=st.integers(0, 255),
)
@pytest.mark.usefixtures("quick")
def test_no_error_shows_a_key_or_a_password(tmp_path: Path, seed: int, length: int, spoilt: int, byte: int) -> None:
    key = sha512(str(seed).encode()).digest()[:length]
    password = "ä" + sha256(str(seed).encode()).hexdigest()[:12]
    path = tmp_path / "key.json"
    path.unlink(missing_ok=True)

    def attempts() -> None:
        keystore.import_key(path, key, password)
        data = bytearray(path.read_bytes())
        data[spoilt % len(data)] = byte
        path.write_bytes(bytes(data))
        keystore.load(path, password)

    for attempt in (
        attempts,
        lambda: keystore.load(path, password + "."),
        lambda: keystore.plain(key.hex() + "?", 1337),
        lambda: keystore.plain(key.hex(), 1),
        lambda: keystore.import_key(path, key, password),
        lambda: Account(key).__reduce__(),
    ):
        try:
            attempt()
        except (CairnError, TypeError) as error:
            shown = "".join(traceback.format_exception(error)) + repr(error) + str(getattr(error, "help", ""))
            for spelling in (key.hex(), str(int.from_bytes(key, "big")), repr(key)[2:-1]) if key else ():
                assert spelling not in shown
            assert password not in shown
