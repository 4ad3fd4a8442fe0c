"""Hand images of a release out for training: each file copied, or linked, and proven.

What is there already and right is kept, so an interrupted export goes on where it was.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb
import pandas as pd

from livercohort import Release, ReleaseError, open_release
from schemas.errors import BadInputError, ContractError, GateBlockedError
from schemas.package_data import data_contracts_dir
from schemas.rule_tables import read_signed, table_name
from schemas.run.atomic_files import (
    canonical_json,
    make_folder,
    sha256_of_file,
    sync_directory,
    write_bytes,
)
from schemas.run.progress import stage_progress
from tasks.datalist.cases import Cases, Image, Subject, make_cases
from tasks.datalist.cohorts import NamedCohort, cohort_named, parse_cohorts
from tasks.datalist.documents import Made, documents
from tasks.datalist.folds import assign_folds

EXPORT = "export.json"
_README = Path(__file__).with_name("readme.md")
KeptOut = Callable[[Iterable[str]], Collection[str]]


@dataclass(frozen=True)
class Wanted:
    """What a user asks for: a named cohort, or a query that returns `rel_path`."""

    cohort: str | None
    query: str | None
    labels: tuple[str, ...] = ()
    n_folds: int = 5
    seed: str = "0"
    unassigned_may_train: bool = False


@dataclass(frozen=True)
class Exported:
    """What an export came to."""

    folder: Path
    cases: Cases
    made: Made
    files: int
    files_there: int


def read_cohorts() -> dict[str, NamedCohort]:
    """Return the named cohorts of the package."""
    path = data_contracts_dir() / "sharing" / "cohorts.csv"
    return parse_cohorts(read_signed(path), table_name(path))


def export_release(
    folder: Path, target: Path, wanted: Wanted, *, kept_out: KeptOut, link: bool = False
) -> Exported:
    """Write the images and the datalist of a selection of a release.

    Parameters
    ----------
    folder : Path
        The release.
    target : Path
        A new folder, or that of the same export begun before.
    wanted : Wanted
        The selection.
    kept_out : callable
        Given pseudonyms, returns those who withdrew since the release was made.
    link : bool
        Hard links in place of copies: no space, but one file with two names.

    Raises
    ------
    BadInputError
        If the selection cannot be made of this release, or the folder holds something else.
    ContractError
        If a volume of the release is not the one that was proven; names it.
    """
    try:
        with open_release(folder) as release:
            labels, subjects, images = _selected(release, wanted)
            version = release.version
    except ReleaseError as error:
        raise BadInputError(str(error)) from None
    withdrawn = kept_out([one.subject_id for one in subjects])
    cases = make_cases(
        subjects, images, labels,
        withdrawn=withdrawn,
        unassigned_may_train=wanted.unassigned_may_train,
    )  # fmt: skip
    made = Made(
        version,
        sha256_of_file(folder / "manifest.json"),
        wanted.cohort or f"SQL: {wanted.query}",
        labels,
        wanted.n_folds,
        wanted.seed,
    )
    _take_folder(target, folder, made)
    _take_away((image for image in images if image.subject_id in withdrawn), target)
    files = [image for case in cases.listed for image in case.images]
    readme = _README.read_text(encoding="utf-8")
    folds = assign_folds(cases.listed, wanted.n_folds, wanted.seed)
    listed = documents(made, cases, folds, readme)
    try:
        there = _hand_out(files, folder, target, link=link)
        for name, data in listed.items():
            write_bytes(target / name, data)
    finally:  # of an erasure meanwhile, what was not brought yet is gone: that is an error, too
        gone = set(kept_out([one.subject_id for one in subjects])).difference(withdrawn)
        _require_nobody_withdrew(gone, files, target, listed)
    return Exported(target, cases, made, len(files), there)


def _selected(
    release: Release, wanted: Wanted
) -> tuple[tuple[str, ...], list[Subject], list[Image]]:
    """Return the labels of the channels, who was asked for, and their volumes."""
    if wanted.query is not None:
        frame = _by_query(release, wanted.query)
        who = sorted(set(frame["subject_id"]))
        labels = wanted.labels
    else:
        cohort = cohort_named(read_cohorts(), wanted.cohort or "")
        frame, who = _by_cohort(release, cohort)
        labels = wanted.labels or cohort.labels
    unknown = [label for label in labels if label not in release.labels()]
    if unknown:
        raise BadInputError(
            f"no label {', '.join(unknown)} in release {release.version}",
            expected=", ".join(release.labels()),
        )
    return labels, _subjects(release, who), _images(frame)


def _by_cohort(release: Release, cohort: NamedCohort) -> tuple[pd.DataFrame, list[str]]:
    who = release.subjects(eligible=True)["subject_id"].tolist()
    source = "exam_series" if cohort.exam else "series_choice"
    frame = _with_grid(
        release, f"SELECT rel_path FROM {source} WHERE (? = '' OR role = ?)",  # noqa: S608
        [cohort.exam, cohort.exam],
    )  # fmt: skip
    return frame, [str(name) for name in who]


def _by_query(release: Release, query: str) -> pd.DataFrame:
    try:
        chosen = release.sql(query)
    except duckdb.Error as error:
        first = str(error).splitlines()[0]
        raise BadInputError(f"the query was refused: {first}", where="--sql") from None
    if "rel_path" not in chosen.columns:
        raise BadInputError(
            "the query returns no column rel_path",
            where="--sql",
            expected="paths of nifti_volume, series_choice or exam_series",
        )
    paths = sorted({str(path) for path in chosen["rel_path"].dropna()})
    frame = _with_grid(release, "SELECT unnest(?::VARCHAR[]) AS rel_path", [paths])
    strange = set(paths) - set(frame["rel_path"])
    if strange or not paths:
        raise BadInputError(
            f"{len(strange)} of {len(paths)} paths are no volumes of the release",
            where="--sql",
            expected="at least one path, each from nifti_volume",
        )
    return frame


def _with_grid(release: Release, paths: str, values: Sequence[object]) -> pd.DataFrame:
    """Return subject, label, hash and grid of the volumes that a query names by path."""
    try:
        return release.sql(
            "SELECT v.subject_id, r.label, v.rel_path, v.sha256, v.dim_x, v.dim_y, v.dim_z, "  # noqa: S608
            f"v.affine_ras FROM nifti_volume v JOIN ({paths}) p USING (rel_path) "
            "JOIN series r USING (series_uid, sub_stack_digest) ORDER BY v.rel_path",
            values,
        )
    except duckdb.CatalogException:
        raise BadInputError(
            f"release {release.version} has no view exam_series",
            hint="It was made by an earlier version of the software: use a newer release.",
        ) from None


def _subjects(release: Release, who: Sequence[str]) -> list[Subject]:
    rows = release.sql(
        "SELECT subject_id, site_code, patient_reference, analysis_role FROM subject "
        "WHERE subject_id IN (SELECT unnest(?::VARCHAR[]))",
        [list(who)],
    )
    return [Subject(*map(str, row)) for row in rows.itertuples(index=False)]


def _images(frame: pd.DataFrame) -> list[Image]:
    return [
        Image(
            row["subject_id"],
            row["label"],
            row["rel_path"],
            row["sha256"],
            (row["dim_x"], row["dim_y"], row["dim_z"], *row["affine_ras"]),
        )
        for row in frame.to_dict("records")
    ]


def _take_folder(target: Path, release: Path, made: Made) -> None:
    """Make the folder of an export, or go on in that of the same one; refuse any other."""
    if target.resolve().is_relative_to(release.resolve()):
        raise BadInputError("an export cannot lie inside a release", where=str(target))
    marker = target / EXPORT
    data = canonical_json(asdict(made))
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        same = marker.is_file() and json.loads(marker.read_bytes()) == json.loads(data)
        if not same:
            raise BadInputError(
                "there is something else already",
                where=str(target),
                expected="a new folder, or that of the same export",
            )
        return
    make_folder(target)
    write_bytes(marker, data)


def _hand_out(files: Sequence[Image], release: Path, target: Path, *, link: bool) -> int:
    """Bring every file to its place and prove it; return how many were there already."""
    there = 0
    for left in target.glob("nifti/**/.*.part"):  # of an export that was killed
        left.unlink()
    told = stage_progress("hand out", "export")
    for number, image in enumerate(files, start=1):
        place = target / image.rel_path
        if place.is_file() and sha256_of_file(place) == image.sha256:
            there += 1
        else:
            _bring(release / image.rel_path, place, image.sha256, link=link)
        told(number, len(files))
    return there


def _require_nobody_withdrew(
    gone: Collection[str], brought: Iterable[Image], target: Path, listed: Iterable[str]
) -> None:
    """Raise where somebody withdrew while the files were brought: hours may lie between.

    Lists that name them go with their files.
    """
    if not gone:
        return
    _take_away((image for image in brought if image.subject_id in gone), target)
    for name in listed:
        (target / name).unlink(missing_ok=True)
    raise GateBlockedError(
        f"{len(gone)} subjects withdrew while this export was made",
        where=str(target),
        hint="Their files were taken away again. Call it again: it ends without them.",
    )


def _take_away(images: Iterable[Image], target: Path) -> None:
    """Remove what an export that was begun before brought of who withdrew since."""
    for image in images:
        (target / image.rel_path).unlink(missing_ok=True)


def _bring(source: Path, place: Path, sha256: str, *, link: bool) -> None:
    make_folder(place.parent)
    beside = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        if link:
            os.link(source.resolve(), beside)
        else:
            shutil.copyfile(source, beside)
        if sha256_of_file(beside) != sha256:
            raise ContractError(
                "a volume is not the one that the release proved",
                where=f"{place.parent.name}/{place.name}",
                hint="Check the release with `livercohort verify`.",
            )
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)
    sync_directory(place.parent)
