"""A holder's share file: read strictly, kept from others, and good for one task and one address only."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dapp.crypto import merkle
from dapp.crypto.threshold import KeyShare
from dapp.device.share_file import ShareFile, shares_of
from dapp.errors import ExitCode, KeyFileError
from dapp.types import Address, TaskId

TASK = TaskId(b"\x07" * 32)
HOLDERS = [Address(bytes([i]) * 20) for i in range(1, 6)]
SECRET = 0xDEADBEEFCAFEBABE0123456789
FILES = shares_of(1337, TASK, HOLDERS, [KeyShare(i + 1, SECRET + i) for i in range(5)])
ROOT = merkle.root([merkle.holder_leaf(i, holder) for i, holder in enumerate(HOLDERS)])


def changed(**fields: Any) -> str:
    return json.dumps(json.loads(FILES[2].to_json()) | fields)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "share-2.json"
    FILES[2].write(path)
    assert ShareFile.read(path) == FILES[2]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_every_holder_has_its_place_under_the_terms_root() -> None:
    for file, holder in zip(FILES, HOLDERS, strict=True):
        file.check(1337, TASK, ROOT, holder)
        assert file.share.index == file.index + 1


@pytest.mark.parametrize(
    ("chain_id", "task", "root", "me", "message"),
    [
        (1, TASK, ROOT, HOLDERS[2], "on chain 1337, not of"),
        (1337, TaskId(bytes(32)), ROOT, HOLDERS[2], "the key share is of task 0x0707"),
        (1337, TASK, ROOT, HOLDERS[3], "but the keystore is 0x0404"),
        (1337, TASK, bytes(32), HOLDERS[2], "the task knows no holder 2"),
    ],
)
def test_a_share_is_good_for_its_task_and_its_holder_only(
    chain_id: int, task: TaskId, root: bytes, me: Address, message: str
) -> None:
    with pytest.raises(KeyFileError, match=message) as caught:
        FILES[2].check(chain_id, task, root, me)
    assert caught.value.code is ExitCode.KEY
    assert caught.value.help


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_share_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "share.json"
    FILES[0].write(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="is open to others") as caught:
        ShareFile.read(path)
    assert f"chmod 600 {path}" in caught.value.help


def test_a_file_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "share.json"
    path.write_text("precious")
    with pytest.raises(KeyFileError, match="is there already"):
        FILES[0].write(path)
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "it is no JSON, line 1"),
        ("[]", "it does not hold format"),
        (changed(extra=1), "it does not hold format"),
        (FILES[0].to_json().replace('"format": 1', '"format": 1, "format": 1'), "a name stands twice"),
        (changed(format=2), "its format is not 1"),
        (changed(format=True), "its format is not 1"),
        (changed(chain_id=0), "chain_id is no whole number"),
        (changed(index=-1), "index is no whole number"),
        (changed(index="2"), "index is no whole number"),
        (changed(task="0x12"), "task is not 0x and 64"),
        (changed(holder="0x" + "g" * 40), "holder is not 0x and 40"),
        (changed(branch="0x"), "branch is no list"),
        (changed(branch=["0x12"]), "branch is not 0x and 64"),
        (changed(share=SECRET), "share is no hexadecimal number"),
        (changed(share="0x"), "share is no hexadecimal number"),
        (changed(share="0x-1"), "share is no hexadecimal number"),
        (changed(share=hex(SECRET).upper()), "share is no hexadecimal number"),
    ],
)
def test_anything_else_is_refused_with_the_reason(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "share.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match=message):
        ShareFile.read(path)


@given(st.integers(0, len(FILES[2].to_json())), st.text(max_size=5))
def test_no_error_holds_anything_of_the_secret(place: int, inserted: str) -> None:
    text = FILES[2].to_json()
    told = repr(FILES[2])
    try:
        ShareFile.from_json(text[:place] + inserted + text[place:])
    except ValueError as error:
        told += str(error)
    assert f"{SECRET + 2:x}"[:6] not in told
    assert str(SECRET + 2)[:6] not in told


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="there is no key share"):
        ShareFile.read(tmp_path / "none.json")
