"""Files of the clinical stage: delivered forms in; sealed rows and warehouse tables out."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.delivery_names import LINKAGE_NAME, control_name
from schemas.errors import BadInputError
from schemas.finding_texts import make_finding
from schemas.identifiers import BatchId, SiteCode
from schemas.records import DeliveredFile, FileKind, FileOutcome, Finding
from schemas.run.atomic_files import write_bytes
from schemas.states import FileState, ReasonCode
from schemas.vault.keys import KeyRing
from tasks.clinical.decode import contract_for
from tasks.clinical.form_contracts import read_conventions
from tasks.clinical.form_rows import ClinicalIntake, FormRows
from tasks.clinical.intake import read_form
from tasks.clinical.pseudonymise import TableCell, arrow_schema_of
from tasks.clinical.raw_form import FormRefusedError
from tasks.clinical.sealing import seal_intake, unseal_intake

_log = logging.getLogger(__name__)

SEALED_NAME = "forms.sealed"


def read_forms(files: Sequence[DeliveredFile], *, site: SiteCode) -> ClinicalIntake:
    """Read every clinical form of a delivery.

    A form that cannot be taken in is quarantined with its reason; the others go on.

    Parameters
    ----------
    files : sequence of DeliveredFile
        Files of the delivery; those of another kind than clinical are passed over.
    site : SiteCode
        Who delivered.

    Returns
    -------
    ClinicalIntake
        Rows, one outcome for each clinical file, and findings.
    """
    forms: list[FormRows] = []
    outcomes: list[FileOutcome] = []
    refusals: list[tuple[str, Finding]] = []
    clinical = [file for file in files if file.kind is FileKind.CLINICAL]
    for file in sorted(clinical, key=lambda file: file.file_no):
        try:
            form = _read_unit(file, site)
        except FormRefusedError as refusal:
            outcomes.append(_outcome(file, FileState.QUARANTINED, refusal))
            refusals.append((_form_of(file), _refusal_finding(file, site, refusal)))
            continue
        forms.append(form)
        outcomes.append(_outcome(file, FileState.CLINICAL))
    return ClinicalIntake(tuple(forms), tuple(outcomes), tuple(refusals))


def write_sealed(
    folder: Path, intake: ClinicalIntake, ring: KeyRing, *, site: SiteCode, batch_id: BatchId
) -> Path:
    """Write the rows with real dates, encrypted, into a folder of the restricted zone."""
    path = folder / SEALED_NAME
    sealed = seal_intake(intake, ring, site=site, batch_id=batch_id)
    write_bytes(path, sealed, mode=0o600)
    return path


def read_sealed(
    folder: Path, ring: KeyRing, *, site: SiteCode, batch_id: BatchId
) -> ClinicalIntake:
    """Read what `write_sealed` wrote; a batch without forms gives an empty intake."""
    path = folder / SEALED_NAME
    if not path.is_file():
        return ClinicalIntake(())
    return unseal_intake(path.read_bytes(), ring, site=site, batch_id=batch_id)


def write_tables(folder: Path, tables: Mapping[str, Sequence[Mapping[str, TableCell]]]) -> None:
    """Write one Parquet file for each form, `clinical_<form>.parquet`; same rows, same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for form, rows in sorted(tables.items()):
        table = pa.Table.from_pylist([dict(row) for row in rows], schema=arrow_schema_of(form))
        pq.write_table(table, folder / f"clinical_{form}.parquet", compression="zstd")


def write_templates(folder: Path) -> list[str]:
    """Write the blank of each form into a folder and return their names; nothing is overwritten.

    Raises
    ------
    BadInputError
        If one of them is there already: it may be filled in.
    """
    # Here: a night reads forms and makes none.
    from tasks.clinical.templates import templates

    blanks = templates()
    there = sorted(name for name in blanks if (folder / name).exists())
    if there:
        raise BadInputError(
            f"{', '.join(there)} would be overwritten", hint="Give a new or empty folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in blanks.items():
        write_bytes(folder / name, content)
    return sorted(blanks)


def _read_unit(file: DeliveredFile, site: SiteCode) -> FormRows:
    """Read one form; what no rule foresees sets this form aside and not the night."""
    try:
        return _read_file(file, site)
    except (FormRefusedError, OSError):
        raise
    except Exception as error:
        _log.warning("form %d held: %s", file.file_no, type(error).__name__)
        raise FormRefusedError(ReasonCode.STAGE_FAILED, type(error).__name__) from None


def _read_file(file: DeliveredFile, site: SiteCode) -> FormRows:
    if file.size_bytes > read_conventions().limits.file_bytes:
        raise FormRefusedError(
            ReasonCode.UNREADABLE_FORM,
            f"larger than {read_conventions().limits.file_bytes} bytes",
        )
    return read_form(
        PurePath(file.relative_path).name,
        file.path.read_bytes(),
        site=site,
        file_no=file.file_no,
        source_sha256=file.sha256,
    )


def read_linkage(files: Sequence[DeliveredFile]) -> bytes:
    """Return the bytes of a delivery's linkage.csv; b"" when there is none."""
    limit = read_conventions().limits.file_bytes
    named = [file for file in files if control_name(file.relative_path) == LINKAGE_NAME]
    return b"".join(file.path.read_bytes() for file in named if file.size_bytes <= limit)


def _form_of(file: DeliveredFile) -> str:
    """Return the form that a file name stands for, or "" when it stands for none."""
    try:
        return contract_for(PurePath(file.relative_path).name)[0].form
    except FormRefusedError:
        return ""


def _outcome(
    file: DeliveredFile, state: FileState, refusal: FormRefusedError | None = None
) -> FileOutcome:
    return FileOutcome(
        file_no=file.file_no,
        state=state,
        source_sha256=file.sha256,
        size_bytes=file.size_bytes,
        reason=refusal.reason if refusal else None,
    )


def _refusal_finding(file: DeliveredFile, site: SiteCode, refusal: FormRefusedError) -> Finding:
    return make_finding(
        "site_delivery",
        "CLIN_FORM_REFUSED",
        site,
        object_type="file",
        object_id=str(file.file_no),
        observed=refusal.reason,
        row=file.file_no,
        expected=refusal.detail,
    )
