"""Laws of the embedded store."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dapp.errors import BlobError
from dapp.storage import EmbeddedStore

SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)


@given(blobs=st.lists(st.binary(max_size=2000)))
@SHARED
def test_every_blob_put_is_got_back_and_different_bytes_have_different_names(
    tmp_path: Path, blobs: list[bytes]
) -> None:
    store = EmbeddedStore(tmp_path)
    names = [store.put(data) for data in blobs]
    assert [store.get(name.digest, name.size, cap=2000) for name in names] == blobs
    assert len({name.cid for name in names}) == len(set(blobs))


@given(data=st.binary(max_size=500), other=st.binary(max_size=500))
@SHARED
def test_no_other_bytes_pass_for_a_blob(tmp_path: Path, data: bytes, other: bytes) -> None:
    store = EmbeddedStore(tmp_path)
    blob = store.put(data)
    (store.folder / "blobs" / blob.cid[-2:] / blob.cid).write_bytes(other)
    try:
        got = store.get(blob.digest, blob.size, cap=500)
    except BlobError:
        got = None
    assert got == (data if data == other else None)
