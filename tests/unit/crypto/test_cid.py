from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from dapp.crypto import cid
from dapp.errors import BlobError

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "cid.json").read_text(encoding="utf-8"))


def pattern(size: int) -> bytes:
    i = np.arange(2**16)
    block = (i * 31 + (i >> 8) * 7).astype(np.uint8)
    offsets = (np.arange(size // 2**16 + 1) * 13).astype(np.uint8)
    return (block[None, :] + offsets[:, None]).tobytes()[:size]


@pytest.mark.parametrize("vector", VECTORS["patterns"], ids=lambda vector: str(vector["size"]))
def test_files_of_every_shape_have_the_names_ipfs_gives_them(vector: dict[str, str | int]) -> None:
    data = pattern(int(vector["size"]))
    assert cid.cid_v1(cid.digest(data), len(data)) == vector["v1"]
    assert cid.cid_v0(data) == vector["v0"]


@pytest.mark.parametrize("vector", VECTORS["texts"], ids=lambda vector: repr(vector["text"]))
def test_well_known_texts_have_their_well_known_names(vector: dict[str, str]) -> None:
    data = vector["text"].encode()
    assert cid.cid_v0(data) == vector["v0"]
    if "v1" in vector:
        assert cid.cid_v1(cid.digest(data), len(data)) == vector["v1"]


def test_the_digest_of_one_chunk_is_the_hash_of_its_bytes() -> None:
    data = pattern(cid.CHUNK)
    assert cid.digest(data) == sha256(data).digest()
    assert cid.digest(data + b"x") != sha256(data + b"x").digest()


@pytest.mark.parametrize("vector", VECTORS["patterns"], ids=lambda vector: str(vector["size"]))
def test_names_are_read_back(vector: dict[str, str]) -> None:
    codec = cid.RAW if int(vector["size"]) <= cid.CHUNK else cid.DAG_PB
    version, read, digest = cid.parse(vector["v1"])
    assert (version, read) == (1, codec)
    assert cid.cid_v1(digest, int(vector["size"])) == vector["v1"]
    assert cid.parse(vector["v0"])[:2] == (0, cid.DAG_PB)


GOOD = VECTORS["texts"][0]


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "b",
        "Qm",
        GOOD["v0"][:-1],
        GOOD["v0"][:-1] + "0",
        "Qz" + GOOD["v0"][2:],
        "QmzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzZ",
        GOOD["v1"].upper(),
        GOOD["v1"] + "=",
        GOOD["v1"][:-1],
        GOOD["v1"][:-1] + "v",
        "z" + GOOD["v1"][1:],
        "bafyaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ],
)
def test_what_is_no_canonical_name_is_refused(bad: str) -> None:
    with pytest.raises(BlobError, match="is not a CID"):
        cid.parse(bad)


def test_what_names_no_file_is_refused() -> None:
    with pytest.raises(BlobError, match="name no file"):
        cid.cid_v1(b"short", 5)
    with pytest.raises(BlobError, match="name no file"):
        cid.cid_v1(bytes(32), -1)
