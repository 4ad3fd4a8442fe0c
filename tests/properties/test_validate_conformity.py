"""A key that stands twice is found wherever its rows stand."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tasks.validate.conformity import check_conformity
from tests.unit.publish.cohort import CONTRACTS, make_row

KEYS = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.integers(1, 2)))


@given(KEYS, st.booleans())
def test_every_key_that_stands_twice_is_found_in_a_sorted_table_and_in_any_other(
    keys: list[tuple[str, str, int]], in_order: bool
) -> None:
    contract = CONTRACTS["instance"]
    rows = [
        make_row("instance", series_uid=series, sub_stack_digest=digest, slice_no=number)
        for series, digest, number in (sorted(keys) if in_order else keys)
    ]
    table = pa.Table.from_pylist(rows, schema=contract.arrow_schema())
    found = {one.key: one.observed for one in check_conformity({"instance": table}, CONTRACTS)}
    twice = {key: n for key, n in Counter(keys).items() if n > 1}
    assert found == {(a, b, str(c)): f"{n} rows" for (a, b, c), n in twice.items()}
