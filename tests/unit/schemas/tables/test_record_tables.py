"""Records go to tables and come back the same, whatever the order."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pytest

from schemas.dicom.features import InstanceFeatures
from schemas.errors import ContractError
from schemas.identifiers import Sha256, SopUid
from schemas.records import ABOUT_INSTANCE, FileOutcome, VolumeRecord
from schemas.states import FileState, ReasonCode
from schemas.tables.record_tables import record_schema, records_from_table, table_from_records

HEADLESS = FileOutcome(
    file_no=2,
    state=FileState.QUARANTINED,
    source_sha256=Sha256("b" * 64),
    size_bytes=0,
    reason=ReasonCode.EMPTY_FILE,
)
ACCEPTED = FileOutcome(
    file_no=1,
    state=FileState.ACCEPTED,
    source_sha256=Sha256("a" * 64),
    size_bytes=9,
    sop_uid=SopUid("1.2.3"),
)


def features(number: int) -> InstanceFeatures:
    return InstanceFeatures(
        subject_id="S91-AAAA2222",
        study_uid="1.2",
        series_uid="1.2.3",
        sop_uid=f"1.2.3.{number}",
        sop_class_uid=None,
        image_type=("ORIGINAL", "PRIMARY"),
        position_lps=(0.0, 1.5, -2.0),
        echo_time_ms=2.1,
        number_of_frames=1,
    )


def test_features_come_back_as_they_went() -> None:
    given = [features(2), features(1)]
    table = table_from_records(given, InstanceFeatures, key=("sop_uid",))
    assert records_from_table(table, InstanceFeatures) == [features(1), features(2)]


def test_the_order_given_changes_nothing() -> None:
    one = table_from_records([features(1), features(2)], InstanceFeatures, key=("sop_uid",))
    other = table_from_records([features(2), features(1)], InstanceFeatures, key=("sop_uid",))
    assert one.equals(other)


def test_states_and_reasons_come_back_as_what_they_are() -> None:
    table = table_from_records(
        [HEADLESS, ACCEPTED], FileOutcome, key=("file_no",), without=ABOUT_INSTANCE
    )
    back = records_from_table(table, FileOutcome)
    assert back == [ACCEPTED, HEADLESS]
    assert back[1].reason is ReasonCode.EMPTY_FILE


def test_a_volume_without_a_file_keeps_its_codes() -> None:
    volume = VolumeRecord(
        subject_id="S91-AAAA2222",
        study_uid="1.2",
        series_uid="1.2.3",
        sub_stack_digest="0123456789abcdef",
        verdict="QUARANTINE",
        codes=("MISSING_SLICE",),
        instances_at_fault=("1.2.3.4", "1.2.3.6"),
        split_by=(),
        n_instances=7,
    )
    table = table_from_records([volume], VolumeRecord, key=("series_uid", "sub_stack_digest"))
    assert records_from_table(table, VolumeRecord) == [volume]


def test_no_records_give_an_empty_table_with_all_columns() -> None:
    table = table_from_records([], InstanceFeatures, key=("sop_uid",))
    assert table.schema == record_schema(InstanceFeatures)
    assert records_from_table(table, InstanceFeatures) == []


def test_further_columns_are_left_aside() -> None:
    table = table_from_records([features(1)], InstanceFeatures, key=("sop_uid",))
    table = table.append_column("batch_id", pa.array(["b"]))
    assert records_from_table(table, InstanceFeatures) == [features(1)]


def test_a_missing_column_is_named() -> None:
    table = table_from_records([features(1)], InstanceFeatures, key=("sop_uid",))
    with pytest.raises(ContractError, match="missing: series_uid"):
        records_from_table(table.drop_columns(["series_uid"]), InstanceFeatures)


def test_a_field_without_a_column_type_is_refused() -> None:
    @dataclass(frozen=True)
    class Odd:
        values: dict[str, int]

    with pytest.raises(TypeError, match="field values"):
        record_schema(Odd)


@dataclass(frozen=True)
class Placed:
    """A record with numbers that many share."""

    name: str
    at: tuple[float, ...] | None


def test_numbers_that_rows_share_are_made_once_and_told_apart_by_their_bytes() -> None:
    nan = float("nan")
    given = [(1.0, 2.0), (), None, (0.0,), (-0.0,), (1.0, 2.0), (nan,), (1.0,), (2.0, 1.0)]
    kind = pa.schema([pa.field("name", pa.string()), pa.field("at", pa.list_(pa.float64()))])
    rows = [{"name": str(n), "at": one} for n, one in enumerate(given)]
    whole = pa.Table.from_pylist(rows, schema=kind)
    chunked = pa.concat_tables([whole.slice(0, 3), whole.slice(3)])
    for table, wanted in ((whole, given), (chunked, given), (whole.slice(3, 4), given[3:7])):
        found = [one.at for one in records_from_table(table, Placed)]
        assert repr(found) == repr(wanted)
    first, *_, again = records_from_table(whole.slice(0, 6), Placed)
    assert first.at is again.at
