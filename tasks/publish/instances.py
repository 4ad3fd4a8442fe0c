"""The published `instance` table, made by columns: a cohort has millions of images. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from schemas.dicom.features import InstanceFeatures
from schemas.dicom.sub_stacks import SubStack, has_geometry, slice_positions_mm
from schemas.identifiers import BatchId
from schemas.records import CohortLabels
from schemas.tables.contracts import TableContract


def instance_table(
    labels: CohortLabels,
    stacks: Sequence[SubStack],
    batch_of_instance: Mapping[str, BatchId],
    contract: TableContract,
) -> pa.Table:
    """Return one row per image of every labelled sub-stack, as the contract states.

    Positions are in mm along the slice normal (PS3.3 C.7.6.2.1.1), absent where the header
    has no geometry; images without an object UID or a batch are in no table.
    """
    subject_of = {(s.series_uid, s.sub_stack_digest): s.subject_id for s in labels.series}
    wanted = [stack for stack in stacks if subject_of.get((stack.series_uid, str(stack.digest)))]
    wanted.sort(key=lambda stack: (stack.series_uid, str(stack.digest)))
    members = [stack.members for stack in wanted]
    lengths = np.array([len(own) for own in members], dtype=np.int64)
    of = np.repeat(np.arange(len(wanted)), lengths)
    everyone = [member for own in members for member in own]
    first = np.repeat(np.cumsum(lengths) - lengths, lengths)
    columns = {
        "series_uid": pa.array([s.series_uid for s in wanted], pa.string()).take(pa.array(of)),
        "sub_stack_digest": pa.array([str(s.digest) for s in wanted], pa.string()).take(
            pa.array(of)
        ),
        "slice_no": np.arange(len(everyone)) - first + 1,
        "subject_id": pa.array(
            [subject_of[s.series_uid, str(s.digest)] for s in wanted], pa.string()
        ).take(pa.array(of)),
        "sop_uid": [member.sop_uid for member in everyone],
        "frame_number": [member.frame_number for member in everyone],
        "instance_number": [member.instance_number for member in everyone],
        "slice_position_mm": [value for own in members for value in _positions(own)],
        "batch_id": [batch_of_instance.get(member.sop_uid or "") for member in everyone],
    }
    schema = contract.arrow_schema()
    arrays = [_array(columns[field.name], field.type) for field in schema]
    return pa.table(arrays, schema=schema)


def _array(values: object, kind: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, type=kind)


def _positions(members: Sequence[InstanceFeatures]) -> list[float | None]:
    if not all(has_geometry(member) for member in members):
        return [None] * len(members)
    return [float(value) for value in slice_positions_mm(members)]
