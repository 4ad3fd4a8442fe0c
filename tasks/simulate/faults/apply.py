"""Every fault by name. Each changes exports in one known way and says what should become of it."""

from __future__ import annotations

from schemas.errors import BadInputError
from tasks.simulate.exports import Export
from tasks.simulate.faults.delivery_faults import DELIVERY_FAULTS
from tasks.simulate.faults.exam_faults import EXAM_FAULTS
from tasks.simulate.faults.file_faults import FILE_FAULTS
from tasks.simulate.faults.form_faults import FORM_FAULTS, LATE_EDC_FORM
from tasks.simulate.faults.geometry_faults import GEOMETRY_FAULTS
from tasks.simulate.faults.image_faults import IMAGE_FAULTS
from tasks.simulate.faults.pixel_text_faults import PIXEL_TEXT_FAULTS
from tasks.simulate.faults.story_faults import STORY_FAULTS, places_of
from tasks.simulate.faults.technique_faults import TECHNIQUE_FAULTS

_FIRST_NIGHT_FAULTS = {
    **IMAGE_FAULTS, **PIXEL_TEXT_FAULTS, **GEOMETRY_FAULTS, **EXAM_FAULTS, **TECHNIQUE_FAULTS,
}  # fmt: skip
_NIGHTLY_FAULTS = {**DELIVERY_FAULTS, **FILE_FAULTS}
_HOMES: dict[str, int] = {
    name: entry[0]
    for table in (_FIRST_NIGHT_FAULTS, _NIGHTLY_FAULTS, FORM_FAULTS, STORY_FAULTS)
    for name, entry in table.items()
}
ALL_FAULTS: tuple[str, ...] = tuple(_HOMES)
DEFAULT_FAULTS: tuple[str, ...] = (
    "broken_file", "text_named_dcm", "no_linkage", "duplicate_instance", "secondary_capture",
    LATE_EDC_FORM, "missing_slice", "burned_in",
)  # fmt: skip
TWO_NIGHT_FAULTS = frozenset(
    {
        "duplicate_delivery", "redelivered_with_one_more_slice", "study_over_two_nights",
        "incremental_forms", "linkage_conflict", "form_correction", "consent_withdrawn",
    }
)  # fmt: skip


def require_known(names: tuple[str, ...], nights: int) -> None:
    """Refuse a fault nobody has written, and one that takes more nights than there are.

    Raises
    ------
    BadInputError
        Naming the faults.
    """
    unknown = sorted(set(names) - set(ALL_FAULTS))
    if unknown:
        raise BadInputError(f"unknown fault {', '.join(unknown)}", expected=", ".join(ALL_FAULTS))
    too_long = sorted(TWO_NIGHT_FAULTS & set(names))
    if too_long and nights == 1:
        raise BadInputError(
            f"{', '.join(too_long)} in one night", expected="2 nights or more", where="nights"
        )


def home_of(name: str, n_sites: int) -> int:
    """Return the index of the site that has this fault; with few sites the last one has more."""
    return min(_HOMES[name], n_sites - 1)


def apply_image_faults(export: Export, names: tuple[str, ...], seed: int) -> None:
    """Apply the faults of images and files to one night, in their fixed order."""
    if export.night == 1:
        for name, (_, apply) in _FIRST_NIGHT_FAULTS.items():
            if name in names:
                apply(export, seed)
        _note_stories(export, names)
    for name, (_, apply) in _NIGHTLY_FAULTS.items():
        if name in names:
            apply(export, seed)


def apply_form_faults(export: Export, names: tuple[str, ...], seed: int) -> None:
    """Apply the faults of forms and linkage to one night, once both are there."""
    for name, (_, apply) in FORM_FAULTS.items():
        if name in names:
            apply(export, seed)


def _note_stories(export: Export, names: tuple[str, ...]) -> None:
    for name, place in places_of(names, len(export.subjects)).items():
        subject = export.subjects[place]
        export.note_fault(name, subject_no=subject.subject_no, code=STORY_FAULTS[name][2])
