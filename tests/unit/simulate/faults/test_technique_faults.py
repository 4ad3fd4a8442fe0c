"""Scans that look like the dynamic are no phase of it, and the labels of the key stay true."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache
from io import BytesIO
from itertools import pairwise
from typing import Any

import pydicom
import pytest

from schemas.dicom.features import InstanceFeatures, read_features
from schemas.records import SeriesLabel
from tasks.harmonise.exam import label_instances
from tasks.simulate.exports import Export
from tasks.simulate.faults.exam_faults import EXAM_FAULTS
from tasks.simulate.faults.fault_tools import template_of
from tasks.simulate.faults.technique_faults import TECHNIQUE_FAULTS
from tasks.simulate.nights import Request, plan_nights
from tests.unit.simulate.conftest import SEED

_THAT_SAY = ("lung_kernel", "dual_energy", "derived_thin", "second_flip_angle", *TECHNIQUE_FAULTS)


@cache
def faulted(fault: str) -> Export:
    [night] = plan_nights(Request(sites=1, subjects=1, nights=1, seed=SEED, faults=(fault,)))
    return night.export


@cache
def labels_of(fault: str) -> dict[str, list[SeriesLabel]]:
    export = faulted(fault)
    found: dict[str, list[SeriesLabel]] = defaultdict(list)
    features: list[InstanceFeatures] = []
    for file in export.files:
        if file.state == "accepted" and (file.template or file.fault):
            header = pydicom.dcmread(BytesIO(file.content()), stop_before_pixels=True)
            features.append(read_features(header, subject_id="S91-AAAAAAAA"))
    for row in label_instances(features).series:
        found[row.series_uid].append(row)
    return found


def said_of(row: dict[str, Any]) -> tuple[str, set[str]]:
    return str(row.get("other_series_uid") or row["series_uid"]), set(row["labels"].split("|"))


@pytest.mark.parametrize("fault", _THAT_SAY)
def test_every_series_of_a_fault_has_the_label_that_its_key_states(fault: str) -> None:
    export = faulted(fault)
    labels = labels_of(fault)
    stated = [said_of(row) for row in export.faults if row["fault"] == fault]
    assert stated
    for uid, allowed in stated:
        assert {row.label for row in labels[uid]} <= allowed, labels[uid]


@pytest.mark.parametrize("fault", _THAT_SAY)
def test_the_series_of_the_protocol_keep_their_labels_beside_a_fault(fault: str) -> None:
    export = faulted(fault)
    labels = labels_of(fault)
    truth = {str(row["series_uid"]): row["label"] for row in export.labels}
    dynamic = {
        template_of(f).context.series_uid
        for f in export.files
        if f.template and template_of(f).context.plan.name_key.startswith(("CT_", "MR_T1_"))
    }
    for uid in dynamic:
        assert truth[uid] in {row.label for row in labels[uid]}, (truth[uid], labels[uid])


@pytest.mark.parametrize(
    "fault", [f for f in _THAT_SAY if f not in ("second_flip_angle", "repeated_dynamic")]
)
def test_what_a_fault_adds_fills_no_slot(fault: str) -> None:
    labels = labels_of(fault)
    for row in faulted(fault).faults:
        for one in labels.get(str(row.get("other_series_uid")), ()):
            assert not one.required_for_protocol, one


def test_a_perfusion_is_thirty_passes_two_and_a_half_seconds_apart() -> None:
    export = faulted("perfusion")
    passes: dict[int, str] = {}
    for file in export.files:
        if file.fault == "perfusion":
            data = pydicom.dcmread(BytesIO(file.content()), stop_before_pixels=True)
            passes[int(data.AcquisitionNumber)] = str(data.AcquisitionTime)
    seconds = [float(t[:2]) * 3600 + float(t[2:4]) * 60 + float(t[4:]) for t in passes.values()]
    assert len(seconds) == 30
    assert {round(b - a, 3) for a, b in pairwise(seconds)} == {2.5}


def test_what_a_fault_says_of_labels_stands_in_the_answer_key_as_json() -> None:
    export = faulted("monoenergetic")
    assert {json.dumps(row["labels"]) for row in export.faults} == {'"CT_PVP"'}


def test_exam_and_technique_faults_share_no_name() -> None:
    assert not EXAM_FAULTS.keys() & TECHNIQUE_FAULTS.keys()
