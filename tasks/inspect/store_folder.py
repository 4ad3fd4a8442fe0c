"""Inspect a folder alone, as `livercohort inspect SRC` does: raw or de-identified, without key."""

from __future__ import annotations

import hashlib
import secrets
import warnings
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydicom import dcmread

from schemas.dicom.features import InstanceFeatures, read_features
from schemas.errors import BadInputError, EnvironmentProblemError
from schemas.identifiers import Sha256
from schemas.inspection import InspectionOutcome
from schemas.run.folder_files import list_files
from schemas.run.pool import Loss
from schemas.states import ReasonCode
from schemas.vault.keys import KEY_BYTES, KeyRing
from tasks.inspect.conclude import conclude
from tasks.inspect.plan import Series, job_of, series_of
from tasks.inspect.records import Looked
from tasks.inspect.rules import load_rules
from tasks.inspect.store import look_at
from tasks.inspect.store_models import read_models
from tasks.inspect.words import telling

SERIES_COLUMNS = ("series_uid", "outcome", "reason", "n_images", "n_views", "n_boxes", "rules_id")


@dataclass(frozen=True)
class InspectedFolder:
    """Rows by series, and how many files are no DICOM images; `broken` says why nobody looked."""

    rows: list[dict[str, object]]
    n_files: int
    n_no_image: int
    broken: EnvironmentProblemError | None = None


@dataclass
class _Folder:
    members: list[InstanceFeatures] = field(default_factory=list)
    paths: dict[str, Path] = field(default_factory=dict)
    without_pixels: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    n_files: int = 0
    n_no_image: int = 0


def inspect_folder(
    src: Path,
    *,
    workers: int = 1,
    words_of: Callable[[Path], frozenset[str]] = lambda _: frozenset(),
    progress: Callable[[int, int], None] | None = None,
) -> InspectedFolder:
    """Look into the pixels of a folder of DICOM.

    Parameters
    ----------
    src : Path
        Folder; only read.
    workers : int
        Series at a time.
    words_of : callable
        Gives the words of the person that a file's header names.
    progress : callable, optional
        Told `(done, all)` after each series.

    Returns
    -------
    InspectedFolder
        One row for each series. With a model missing or changed every series is held.

    Raises
    ------
    BadInputError
        If `src` is no folder, or holds no DICOM.
    """
    if not src.is_dir():
        raise BadInputError("not a folder", expected="a folder of DICOM files")
    folder = _read(src)
    if not folder.members and not folder.without_pixels:
        raise BadInputError("the folder holds no DICOM object", hint="Check the argument.")
    series, rules = series_of(folder.members), load_rules()
    broken: EnvironmentProblemError | None = None
    found: list[Looked | None] = [None] * len(series)
    try:
        models = read_models(rules)
    except EnvironmentProblemError as error:
        broken = error
    else:
        jobs = [
            job_of(
                one,
                lambda member: folder.paths[str(member.sop_uid)],
                _draw,
                telling(words_of(folder.paths[one.uids[0]])),
            )
            for one in series
        ]
        looked = look_at(jobs, rules, models, workers=workers, progress=progress)
        found = [None if isinstance(one, Loss) else one for one in looked]
    rows = _rows(folder, series, found)
    return InspectedFolder(rows, folder.n_files, folder.n_no_image, broken)


def _rows(
    folder: _Folder, series: list[Series], found: list[Looked | None]
) -> list[dict[str, object]]:
    rules = load_rules()
    concluded = conclude(
        series,
        found,
        rules,
        # A key of the moment: digests are compared within this folder and then forgotten.
        ring=KeyRing(secrets.token_bytes(KEY_BYTES)),
        settled={},
        name_of={uid: _name(uid) for one in series for uid in one.uids},
        known=lambda _: (),
    )
    boxes = {
        one.series_uid: len(seen.boxes) if seen else 0
        for one, seen in zip(series, found, strict=True)
    }
    rows: list[dict[str, object]] = [
        {
            "series_uid": row.series_uid,
            "outcome": str(row.outcome),
            "reason": str(row.reason) if row.reason else "",
            "n_images": row.n_images,
            "n_views": row.n_views,
            "n_boxes": boxes[row.series_uid],
            "rules_id": row.rules_id,
        }
        for row in concluded.inspected.rows
    ]
    known = {str(row["series_uid"]) for row in rows}
    rows += [
        {
            "series_uid": uid,
            "outcome": str(InspectionOutcome.HELD),
            "reason": str(ReasonCode.PIXELS_NOT_INSPECTED),
            "n_images": 0,
            "n_views": 0,
            "n_boxes": 0,
            "rules_id": rules.rules_id,
        }
        for uid in sorted(folder.without_pixels)
        if uid not in known
    ]
    return rows


def _read(src: Path) -> _Folder:
    folder = _Folder()
    for number, path in list_files(src):
        folder.n_files += 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                header = dcmread(path, stop_before_pixels=True)
                uid = str(header.SeriesInstanceUID)
                if "Rows" not in header:
                    folder.without_pixels[uid] += 1
                    continue
                features = read_features(header, subject_id=str(header.get("PatientID", "")))
        except Exception:  # whatever is no DICOM, or broken, is no image that could be looked at
            folder.n_no_image += 1
            continue
        # The same object may lie in a folder twice: each file is looked at.
        name = f"{features.sop_uid}#{number}"
        folder.members.append(replace(features, sop_uid=name))
        folder.paths[name] = path
    return folder


def _draw(series_uid: str) -> int:
    return int.from_bytes(hashlib.sha256(series_uid.encode()).digest()[:4], "big")


def _name(uid: str) -> Sha256:
    return Sha256(hashlib.sha256(uid.encode()).hexdigest())
