"""From chosen volumes to the cases of a datalist, and to what was left out and why. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

#: Classes of the patient-level reference that a model can be taught or judged on.
CLASSES = ("benign", "malignant")
_TRAINING_ROLES = frozenset({"phase2_development"})
_TEST_ROLES = frozenset({"phase1_validation", "phase2_validation"})


class Part(StrEnum):
    """What a case may be used for."""

    TRAINING = "training"
    TEST = "test"


class WhyLeftOut(StrEnum):
    """Why a subject is in no list."""

    LABEL_MISSING = "LABEL_MISSING"
    REFERENCE_NOT_DECIDED = "REFERENCE_NOT_DECIDED"
    ROLE_NOT_ASSIGNED = "ROLE_NOT_ASSIGNED"
    CONSENT_WITHDRAWN = "CONSENT_WITHDRAWN"
    SEVERAL_VOLUMES_OF_LABEL = "SEVERAL_VOLUMES_OF_LABEL"


@dataclass(frozen=True)
class Subject:
    """What the release says of a subject."""

    subject_id: str
    site_code: str
    reference: str
    analysis_role: str


@dataclass(frozen=True)
class Image:
    """One volume: its label, its path in the release, its hash, and the grid it lies on."""

    subject_id: str
    label: str
    rel_path: str
    sha256: str
    grid: tuple[float, ...]


@dataclass(frozen=True)
class Case:
    """One subject with its images, in the order of the channels."""

    subject: Subject
    part: Part
    images: tuple[Image, ...]

    @property
    def same_grid(self) -> bool:
        """Whether all images have the same size and affine, so that they stack to channels."""
        return len({image.grid for image in self.images}) == 1


@dataclass(frozen=True)
class LeftOut:
    """A subject that was asked for and is in no list; `detail` names labels or a value."""

    subject_id: str
    reason: WhyLeftOut
    detail: str


@dataclass(frozen=True)
class Cases:
    """Everybody who was asked for: listed, or left out with a reason."""

    listed: tuple[Case, ...]
    left_out: tuple[LeftOut, ...]


def make_cases(
    subjects: Iterable[Subject],
    images: Iterable[Image],
    labels: Sequence[str],
    *,
    withdrawn: Collection[str] = (),
    unassigned_may_train: bool = False,
) -> Cases:
    """Sort subjects into cases and those left out; nobody is in both, nobody in neither.

    Parameters
    ----------
    subjects : iterable of Subject
        Those who were asked for.
    images : iterable of Image
        Their chosen volumes.
    labels : sequence of str
        Labels that every case must have, in the order of its channels; empty: whatever there is,
        in the order of their names.
    withdrawn : collection of str
        Subjects who withdrew since the release was made.
    unassigned_may_train : bool
        Whether a subject without an analysis role may be trained on.
    """
    of_subject: dict[str, list[Image]] = defaultdict(list)
    for image in images:
        if not labels or image.label in labels:
            of_subject[image.subject_id].append(image)
    listed, left_out = [], []
    for subject in sorted(subjects, key=lambda one: one.subject_id):
        own = of_subject[subject.subject_id]
        if subject.subject_id in withdrawn:
            left_out.append(LeftOut(subject.subject_id, WhyLeftOut.CONSENT_WITHDRAWN, ""))
        elif why := _images_lack(subject, own, labels) or _cannot_be_used(
            subject, unassigned_may_train=unassigned_may_train
        ):
            left_out.append(why)
        else:
            part = Part.TEST if subject.analysis_role in _TEST_ROLES else Part.TRAINING
            listed.append(Case(subject, part, _in_order(own, labels)))
    return Cases(tuple(listed), tuple(left_out))


def _images_lack(subject: Subject, own: Sequence[Image], labels: Sequence[str]) -> LeftOut | None:
    there = [image.label for image in own]
    missing = [label for label in labels if label not in there]
    if missing or not own:
        told = ";".join(missing) or "any label"
        return LeftOut(subject.subject_id, WhyLeftOut.LABEL_MISSING, told)
    twice = sorted({label for label in there if there.count(label) > 1})
    if twice:
        return LeftOut(subject.subject_id, WhyLeftOut.SEVERAL_VOLUMES_OF_LABEL, ";".join(twice))
    return None


def _cannot_be_used(subject: Subject, *, unassigned_may_train: bool) -> LeftOut | None:
    if subject.reference not in CLASSES:
        return LeftOut(subject.subject_id, WhyLeftOut.REFERENCE_NOT_DECIDED, subject.reference)
    known = subject.analysis_role in _TRAINING_ROLES | _TEST_ROLES
    if not known and not unassigned_may_train:
        return LeftOut(subject.subject_id, WhyLeftOut.ROLE_NOT_ASSIGNED, subject.analysis_role)
    return None


def _in_order(images: Iterable[Image], labels: Sequence[str]) -> tuple[Image, ...]:
    order = {label: number for number, label in enumerate(labels)}
    return tuple(sorted(images, key=lambda image: (order.get(image.label, 0), image.label)))
