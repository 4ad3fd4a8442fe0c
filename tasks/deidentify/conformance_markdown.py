"""What the profile claims, as the DICOM Conformance Statement and the PS3.15 statement have it.

Made from the tables in force: which objects are admitted, which options of annex E run and by
which attributes, and what is written into every object.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pydicom.uid import UID

from schemas.dicom.device_identity import METHOD
from tasks.deidentify.plan.admission import ADMITTED_CLASSES
from tasks.deidentify.plan.rebuild import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION,
    METHOD_CODES,
)
from tasks.deidentify.rules.profile import TABLE_EDITION, Action, Option, Profile, load_profile

_HEAD = """# DICOM conformance

Made by `make docs` from the profile in force. The rules themselves stand in
[deidentification.md](deidentification.md).

## DICOM Conformance Statement

livercohort reads and writes files (PS3.10); `livercohort receive` is a storage SCP for the same
classes. Objects keep the transfer syntax in which they came, and their pixels byte for byte
unless a person decided to mask a place.

- Implementation class UID: `{class_uid}`
- Implementation version name: `{version}`
- Character set of what is written: `ISO_IR 192`
- File meta and preamble: written anew, the preamble zero

| Storage SOP class | UID |
|---|---|
"""
_ACTIONS = {
    Action.KEEP: "kept when VR, VM and value fulfil a contract",
    Action.WORDS: "reduced to words of a closed list",
    Action.DESCRIPTOR: "reduced to technique words of a closed vocabulary",
    Action.UID: "replaced by a keyed UID, `2.25.` and 128 bits",
    Action.DATE: "moved back by the person's own number of whole days",
    Action.TIME: "time of day kept",
    Action.AGE: "kept; over 89 becomes 090Y",
    Action.CODE: "coded entries of a closed list, with the standard's meaning",
    Action.EMPTY: "written empty",
    Action.KEYED: "replaced by a keyed code of the site, unless every word is known",
    Action.PSEUDONYM: "replaced by the subject's pseudonym",
    Action.STUDY: "a keyed code of the study",
    Action.FIXED: "written by livercohort",
    Action.SEQUENCE: "items rebuilt by the same rules",
    Action.PIXELS: "kept, inspected for text and faces",
}
_OPTIONS_HEAD = """
## PS3.15 statement

De-identifier by the Basic Application Level Confidentiality Profile. It is an allow-list: an
attribute without a rule is removed at every depth, private ones too, so that the result is at
least as strict as each row of table E.1-1; a test holds this. Table: {edition}.

A code stands in DeidentificationMethodCodeSequence (0012,0064) only when that option acted on the
object. DeidentificationMethod (0012,0063) holds the methods that stood there, as far as they are
known, then ours ("{method}"); PatientIdentityRemoved is YES.

Not claimed: Retain UIDs, Retain Institution Identity, Retain Longitudinal with Full Dates, Clean
Structured Content, Clean Graphics, Clean Recognizable Visual Features (faces are looked for and
held, not altered).

| Option | Code (CID 7050) | Attributes under it |
|---|---|---|
"""
_ACTIONS_HEAD = """
| What happens | Attributes |
|---|---|
"""
_CHECK = """
## How it is checked

`dciodvfy` reads one object of each series as delivered and as written; a release has the result in
`CONFORMITY.md` and `conformity.csv`, and the report on its release page. Errors and warnings that
only the object written has count as new; those whose reason is known stand with it in
`data_contracts/deidentification/validator_lines.csv`. There are none on the simulator's objects.
Of the real objects of the test data two series of a maker
whose StudyDate holds no date gain one warning, that a disk's directory would need a StudyDate: a
text that is no date does not stay. Attributes of type 2 whose value broke its contract are written
empty; texts of type 1 in enhanced objects of which no word may stay read `UNKNOWN`.

`dciodvfy` is looked for on the path, or where `LIVERCOHORT_VALIDATOR` says; with an empty
`LIVERCOHORT_VALIDATOR`, or without the program, the release says of each series that nobody
checked it. Objects committed before this check, or by an older profile, stay as they are: their
audit names the profile by hash, and a series delivered again is the same by its UIDs and pixels.
"""


def render_conformance(profile: Profile | None = None) -> str:
    """Return both statements as one Markdown page (default: of the profile in force)."""
    profile = profile or load_profile()
    head = _HEAD.format(class_uid=IMPLEMENTATION_CLASS_UID, version=IMPLEMENTATION_VERSION)
    options = _OPTIONS_HEAD.format(edition=TABLE_EDITION, method=METHOD)
    return "".join((head, *_classes(), options, *_options(profile), _ACTIONS_HEAD, *_did(profile)))


def _classes() -> Iterator[str]:
    for uid in sorted(ADMITTED_CLASSES):
        yield f"| {UID(uid).name} | `{uid}` |\n"


def _options(profile: Profile) -> Iterator[str]:
    of_option = Counter(rule.option for rule in profile.all_rules())
    of_option[Option.PRIVATE] += sum(1 for _ in profile.all_private_rules())
    for option, (code, meaning) in sorted(METHOD_CODES.items(), key=lambda item: item[1]):
        n = of_option[option]
        yield f"| {meaning} | {code} | {n or 'pixel data, where a person had it masked'} |\n"


def _did(profile: Profile) -> Iterator[str]:
    of_action = Counter(rule.action for rule in profile.all_rules())
    for action, words in _ACTIONS.items():
        yield f"| {words} | {of_action[action]} |\n"
    yield _CHECK
