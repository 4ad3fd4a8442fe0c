"""One evaluation: read, judged, protected for sharing, sealed beside its release."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from flows.withdrawals import nobody_withdraws
from schemas.errors import EnvironmentProblemError, GateBlockedError
from schemas.run.settings import Settings
from schemas.vault.keys import read_key_file
from tasks.eligibility.store import read_role_rows
from tasks.evaluate.rows import Row
from tasks.evaluate.sharing import SHARED, THRESHOLD, shared_csv
from tasks.evaluate.store import Evaluation, evaluate_folder
from tasks.publish.checks import check_flow
from tasks.publish.disclosure import Count, protect
from tasks.publish.signature import Signer
from tasks.publish.store import withdrawn_subjects
from tasks.publish.store_evaluations import seal_evaluation


@dataclass(frozen=True)
class Sealed:
    """An evaluation on disk; `written` is False when it was there already."""

    path: Path
    written: bool
    release: str
    exploratory: tuple[str, ...]
    estimates: tuple[Row, ...]


def evaluate(settings: Settings, folder: Path, reference: Path | None = None) -> Sealed:
    """Evaluate the run or reader study in a folder and seal the result beside its release.

    Parameters
    ----------
    settings : Settings
        Of the home.
    folder : Path
        The run or study.
    reference : Path, optional
        Folder that says where the reference lesions lie.

    Raises
    ------
    RefusedError
        If it may not be taken in.
    GateBlockedError
        If a release made meanwhile says that somebody in it withdrew.
    BusyError
        If its name belongs to another evaluation.
    """
    zones = settings.zones
    signer = Signer.of(read_key_file(settings.master_key_file))
    with nobody_withdraws(zones) as still:
        before = withdrawn_subjects(zones.releases)
        found = evaluate_folder(folder, zones.releases, read_role_rows(zones), reference)
        _require_closed(found)
        documents = {**found.documents, **_shared(found)}
        still()
        _require_nobody_withdrew(found, withdrawn_subjects(zones.releases) - before)
        path, written = seal_evaluation(
            found.release, found.name, found.tables, found.contracts, documents, signer
        )
    (head,) = found.rows["evaluation"]
    reasons = head["exploratory_reasons"]
    assert isinstance(reasons, list)
    return Sealed(path, written, found.release.name, tuple(reasons), tuple(found.rows["estimate"]))


def _require_nobody_withdrew(found: Evaluation, gone: Collection[str]) -> None:
    """Raise where a row is of somebody who withdrew while the evaluation was made."""
    named = {
        subject
        for table in found.tables.values()
        if "subject_id" in table.column_names
        for subject in table["subject_id"].to_pylist()
    }
    if not named.isdisjoint(gone):
        raise GateBlockedError(
            f"{len(named.intersection(gone))} subjects withdrew while this evaluation was made",
            expected="only subjects who take part",
            hint="Nothing was written. Decide with the study team which release it is to be of.",
        )


def _require_closed(found: Evaluation) -> None:
    """Raise where people were lost between two nodes of the flow: a defect of ours."""
    flow = found.tables.get("evaluation_flow")
    problems = check_flow(flow) if flow is not None else []
    if problems:
        raise EnvironmentProblemError(
            f"the flow does not close at {len(problems)} nodes, first {problems[0].object_id}",
            expected=f"{problems[0].expected}, not {problems[0].observed}",
            where="evaluation_flow",
            hint="Check the release with `livercohort verify`; if it holds, this is a defect.",
        )


def _shared(found: Evaluation) -> dict[str, bytes]:
    """Return what may be shared; nothing of a reader study, whose readers are few."""
    if not found.cells:
        return {}
    counts = [Count(cell.key, cell.n, cell.atoms) for cell in found.cells]
    protected = protect(counts, threshold=THRESHOLD)
    shown = {count.key for count in protected if count.shown}
    estimates = found.rows["estimate"]
    return {SHARED: shared_csv(estimates, shown, found.decided.misdiagnosis)}  # type: ignore[arg-type]
