"""The bytes of a transaction are counted exactly as they are encoded."""

from hypothesis import given
from hypothesis import strategies as st

from zkoperator.zk import wire
from zkoperator.zk.port import CREATOR_ACL, OPEN_ACL, Acl, Check, Create, Delete, Operation, Set
from zkoperator.zk.request_sizes import multi_bytes

PATHS = st.text(st.sampled_from("aü☃/"), min_size=1, max_size=30).map(lambda text: f"/{text}")
ACLS = st.sampled_from((OPEN_ACL, CREATOR_ACL, (Acl(1, "digest", "shop:xyz"), *OPEN_ACL)))
VERSIONS = st.integers(-1, 1 << 30)
OPERATIONS: st.SearchStrategy[Operation] = st.one_of(
    st.builds(Create, PATHS, st.binary(max_size=50), ACLS),
    st.builds(Set, PATHS, st.binary(max_size=50), VERSIONS),
    st.builds(Delete, PATHS, VERSIONS),
    st.builds(Check, PATHS, VERSIONS),
)


@given(st.lists(OPERATIONS, max_size=12))
def test_the_count_is_the_length_of_the_frame(operations: list[Operation]) -> None:
    assert multi_bytes(operations) == wire.multi(operations).frame_bytes
