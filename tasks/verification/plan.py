"""Which subjects of a site are compared with their source documents, and which values. Pure.

The rank of a subject is a digest of its pseudonym: the same seed gives the same sample, and a
subject more moves no other's rank, so nobody can choose who is looked at by entering late.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from schemas.clinical_rows import ClinicalRow, Missing
from schemas.partial_dates import PartialDate
from schemas.source_verification import UNVERIFIED, Risk, VerifiedField
from schemas.verification_counts import FieldCounts, critical_error_percent

#: Ranks a subject: the smaller digests are taken first.
Rank = Callable[[str], bytes]


@dataclass(frozen=True)
class Item:
    """One value to be compared (restricted); `row` says which row of the form it stands in."""

    subject_id: str
    subject_no: str = field(repr=False)
    form: str
    row: str = field(repr=False)
    field_name: str
    critical: bool
    entered: str = field(repr=False)


def risk_of(counts: Sequence[FieldCounts], conflict_percent: float, risks: Sequence[Risk]) -> Risk:
    """Return the risk of a site.

    Parameters
    ----------
    counts : sequence of FieldCounts
        What was found at this site so far; empty for a site that was never compared.
    conflict_percent : float
        Subjects of it with an open major query, in per cent of all.
    risks : sequence of Risk
        The table, the lowest first.

    Returns
    -------
    Risk
        The highest of which a threshold is reached. A site never compared is `unverified`
        unless its conflicts alone make it a higher share.
    """
    errors = critical_error_percent(counts)
    reached = [
        one
        for one in risks
        if one.name != UNVERIFIED
        and (
            (errors is not None and errors >= (one.critical_error_percent or 0.0))
            or conflict_percent >= (one.conflict_percent or 0.0)
        )
    ]
    if errors is not None:
        return reached[-1]
    unverified = next(one for one in risks if one.name == UNVERIFIED)
    return max((unverified, reached[-1]), key=lambda one: one.share_percent)


def sample(subjects: Iterable[str], risk: Risk, rank: Rank) -> list[str]:
    """Return the subjects to be compared: the share of the risk, rounded up, at least its least."""
    ranked = sorted(set(subjects), key=lambda subject: (rank(subject), subject))
    share = math.ceil(len(ranked) * risk.share_percent / 100.0)
    return ranked[: max(share, risk.subjects_min)]


def items_of(
    rows: Iterable[ClinicalRow], subjects: Iterable[str], verified: Iterable[VerifiedField]
) -> list[Item]:
    """Return the values of these subjects to be compared, in the order of forms and fields.

    A value that the site says does not apply is compared too: leaving it out would hide what
    was never entered.
    """
    chosen = set(subjects)
    order = {(one.form, one.field): number for number, one in enumerate(verified)}
    critical = {(one.form, one.field): one.critical for one in verified}
    found = []
    for row in rows:
        if not row.enrolled or row.subject_id not in chosen:
            continue
        named = " ".join(row.key[1:])
        for form, name in order:
            if form == row.form:
                value = _shown(row, name)
                found.append(
                    Item(
                        str(row.subject_id),
                        str(row.subject_no),
                        form,
                        named,
                        name,
                        critical[form, name],
                        value,
                    )
                )
    return sorted(found, key=lambda one: (one.subject_no, order[one.form, one.field_name], one.row))


def _shown(row: ClinicalRow, name: str) -> str:
    """Return a value as the site entered it, and what stands for a missing one."""
    value = row.values.get(name, Missing.NOT_ENTERED)
    if isinstance(value, Missing):
        return "" if value is Missing.NOT_ENTERED else str(value)
    if isinstance(value, PartialDate):
        return value.iso()
    return f"{value:g}" if isinstance(value, float) else str(value)
