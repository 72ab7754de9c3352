"""Lines out of chunks."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from zkoperator.kube.line_buffer import LineBuffer

LINES = st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b" ")), max_size=8)


@settings(deadline=None)
@given(LINES, st.lists(st.integers(0, 200), max_size=10))
def test_lines_are_the_same_however_the_stream_is_cut(lines: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    buffer = LineBuffer()
    found = [line for start, end in pairwise(edges) for line in buffer.feed(stream[start:end])]
    assert found == lines
    assert not buffer.pending


def test_a_stream_that_ends_in_the_middle_of_a_line_is_known() -> None:
    buffer = LineBuffer()
    assert buffer.feed(b'{"a": 1}\n{"b"') == [b'{"a": 1}']
    assert buffer.pending
