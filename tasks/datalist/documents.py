"""The documents of an export: a datalist for MONAI and nnU-Net, splits, cases, words. Pure.

`dataset.json` is read by `monai.data.load_decathlon_datalist` (keys ``training`` and ``test``)
and by nnU-Net v2 (keys ``channel_names``, ``labels``, ``file_ending``, ``dataset``);
`splits_final.json` is nnU-Net's list of folds. Paths are relative to the export's folder.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from string import Template

from schemas.run.atomic_files import canonical_json
from tasks.datalist.cases import CLASSES, Case, Cases, Part

DATASET, SPLITS, CASES, LEFT_OUT = "dataset.json", "splits_final.json", "cases.csv", "left_out.csv"


@dataclass(frozen=True)
class Made:
    """What an export was made from: it names the same files and folds again.

    Parameters
    ----------
    release, manifest_sha256 : str
        The release, and the hash of its manifest.
    selection : str
        The cohort or the query.
    labels : tuple of str
        Channels; empty where the cohort names none.
    n_folds, seed
        Of the folds.
    """

    release: str
    manifest_sha256: str
    selection: str
    labels: tuple[str, ...]
    n_folds: int
    seed: str


def documents(made: Made, cases: Cases, folds: Mapping[str, int], readme: str) -> dict[str, bytes]:
    """Return name → bytes of every document of an export; `readme` is the template of one."""
    return {
        DATASET: canonical_json(_dataset(made, cases.listed, folds)),
        SPLITS: canonical_json(_splits(cases.listed, folds, made.n_folds)),
        CASES: _csv(
            ("subject_id", "site_code", "reference", "analysis_role", "part", "fold", "same_grid"),
            [_case_row(case, folds) for case in cases.listed],
        ),
        LEFT_OUT: _csv(
            ("subject_id", "reason", "detail"),
            [(one.subject_id, one.reason.value, one.detail) for one in cases.left_out],
        ),
        "README.md": _readme(made, cases, readme).encode(),
    }


def _dataset(made: Made, listed: Sequence[Case], folds: Mapping[str, int]) -> dict[str, object]:
    training = [case for case in listed if case.part is Part.TRAINING]
    test = [case for case in listed if case.part is Part.TEST]
    channels = {str(number): label for number, label in enumerate(made.labels)}
    return {
        "name": f"livercohort {made.release}",
        "description": f"{made.selection} of release {made.release}",
        "reference": f"livercohort:{made.release}",
        "release": made.release,
        "manifest_sha256": made.manifest_sha256,
        "seed": made.seed,
        "tensorImageSize": "3D",
        "file_ending": ".nii.gz",
        "channel_names": channels,
        "modality": channels,
        "labels": {name: number for number, name in enumerate(CLASSES)},
        "numTraining": len(training),
        "numTest": len(test),
        "training": [
            {**_item(case, made.labels), "fold": folds[case.subject.subject_id]}
            for case in training
        ],
        # Without the class: whoever trains does not read the answer of the test by accident.
        "test": [_images(case, made.labels) for case in test],
        "dataset": {
            case.subject.subject_id: {"images": [image.rel_path for image in case.images]}
            for case in training
            if made.labels and case.same_grid
        },
    }


def _item(case: Case, labels: Sequence[str]) -> dict[str, object]:
    return {**_images(case, labels), "label": CLASSES.index(case.subject.reference)}


def _images(case: Case, labels: Sequence[str]) -> dict[str, object]:
    paths = {image.label: image.rel_path for image in case.images}
    item: dict[str, object] = {"subject_id": case.subject.subject_id, **paths}
    if len(labels) == 1:
        item["image"] = paths[labels[0]]
    elif labels and case.same_grid:
        item["image"] = [paths[label] for label in labels]
    return item


def _splits(
    listed: Sequence[Case], folds: Mapping[str, int], n_folds: int
) -> list[dict[str, list[str]]]:
    names = sorted(case.subject.subject_id for case in listed if case.part is Part.TRAINING)
    return [
        {
            "train": [name for name in names if folds[name] != fold],
            "val": [name for name in names if folds[name] == fold],
        }
        for fold in range(n_folds)
    ]


def _case_row(case: Case, folds: Mapping[str, int]) -> tuple[object, ...]:
    one = case.subject
    fold = folds.get(one.subject_id, "")
    grid = "yes" if case.same_grid else "no"
    return (
        one.subject_id, one.site_code, one.reference, one.analysis_role,
        case.part.value, fold, grid,
    )  # fmt: skip


def _csv(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    stream = StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return stream.getvalue().encode()


def _readme(made: Made, cases: Cases, template: str) -> str:
    reasons = sorted(one.reason.value for one in cases.left_out)
    told = "\n".join(f"- {name}: {reasons.count(name)}" for name in sorted(set(reasons)))
    return Template(template).substitute(
        release=made.release,
        selection=made.selection,
        training=sum(case.part is Part.TRAINING for case in cases.listed),
        test=sum(case.part is Part.TEST for case in cases.listed),
        folds=made.n_folds,
        seed=made.seed,
        left_out=told or "- nobody",
        labels=", ".join(made.labels) or "every label that a subject has",
        keys=repr(list(made.labels) or ["MR_T1_HBP"]),
    )
