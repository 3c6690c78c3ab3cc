from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dapp.crypto import cid


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**40))
def test_a_name_reads_back_as_its_digest(digest: bytes, size: int) -> None:
    codec = cid.RAW if size <= cid.CHUNK else cid.DAG_PB
    assert cid.parse(cid.cid_v1(digest, size)) == (1, codec, digest)


@settings(deadline=None)
@given(st.binary(max_size=2000))
def test_both_names_of_any_bytes_are_canonical(data: bytes) -> None:
    assert cid.parse(cid.cid_v1(cid.digest(data), len(data)))[2] == cid.digest(data)
    assert cid.parse(cid.cid_v0(data))[:2] == (0, cid.DAG_PB)
