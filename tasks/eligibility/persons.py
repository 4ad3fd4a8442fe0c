"""One person under several subjects, found by the vault's keyed resident IDs. Pure.

It is a finding and nothing more: pseudonyms, shifts and verdicts stay, because only the study
office can say which of the subjects counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from schemas.finding_texts import make_finding, read_finding_texts
from schemas.package_data import data_contracts_dir
from schemas.records import Finding


def check_persons(groups: Iterable[tuple[str, ...]], subjects: Collection[str]) -> list[Finding]:
    """Return one finding for each person who is several subjects of the cohort.

    Parameters
    ----------
    groups : iterable of tuple of subject_id
        Subjects that one resident ID links.
    subjects : collection of subject_id
        The subjects of the cohort; others of a group are in no table and are left out.
    """
    text = read_finding_texts(data_contracts_dir() / "protocol" / "findings.yaml")[
        "ELIG_ONE_PERSON_SEVERAL_SUBJECTS"
    ]
    known = ({one for one in group if one in subjects} for group in groups)
    people = sorted({tuple(sorted(group)) for group in known if len(group) > 1})
    return [
        make_finding(
            text,
            _only_site(group),
            object_type="subject",
            object_id="/".join(group),
            observed=str(len(group)),
            n=len(group),
        )
        for group in people
    ]


def _only_site(group: tuple[str, ...]) -> str:
    """Return the site of all; of two sites neither is told the other's pseudonym."""
    sites = {subject_id.partition("-")[0] for subject_id in group}
    return sites.pop() if len(sites) == 1 else ""
