"""k-anonymity of a package by generalisation: how coarse it must be, and how coarse it is. Pure.

What an acquaintance may know of a person - hospital, sex, age, diagnosis - is made coarser for
everybody alike (global recoding) until at least k persons of the package share every combination
(Sweeney 2002, k-anonymity). Persons who stand alone however coarse the rest is may be
left out, up to a small share, rather than blur everybody else.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import pyarrow as pa

from schemas.errors import GateBlockedError

DEFAULT_K = 5
#: Up to this share of the persons may be left out as outliers.
MOST_LEFT_OUT = 0.05
WITHHELD = "withheld"
SITE_LEVELS = ("pseudonymous site", "province", WITHHELD)
AGE_LEVELS = (5, 10, 20, None)
SEX_LEVELS = ("as recorded", WITHHELD)
DIAGNOSIS_LEVELS = ("class", "group", WITHHELD)
#: The groups of `reference_class` and `diagnosis_code`; what is in none keeps its own name.
_GROUPS = {
    "malignant": ("HCC", "ICC", "combined", "metastasis", "other_malignant"),
    "benign": ("haemangioma", "FNH", "adenoma", "cyst", "other_benign", "inflammatory"),
}
_GROUP_OF = {code: group for group, codes in _GROUPS.items() for code in codes}

#: What an acquaintance may know: site, sex, age, everything that was diagnosed.
Quasi = tuple[str, str, str, tuple[str, ...]]


@dataclass(frozen=True)
class Person:
    """What an acquaintance may know of one subject."""

    subject_id: str
    site: str
    province: str
    sex: str
    age: float | None
    diagnoses: frozenset[str]


@dataclass(frozen=True, order=True)
class Levels:
    """How coarse each quasi-identifier is, 0 the finest."""

    site: int
    sex: int
    age: int
    diagnosis: int

    @property
    def loss(self) -> float:
        """The sum of how far each is from its finest, each between 0 and 1."""
        most = (len(SITE_LEVELS), len(SEX_LEVELS), len(AGE_LEVELS), len(DIAGNOSIS_LEVELS))
        return sum(
            level / (n - 1)
            for level, n in zip((self.site, self.sex, self.age, self.diagnosis), most, strict=True)
        )

    @property
    def words(self) -> dict[str, str]:
        """What was done, for README and manifest."""
        years = AGE_LEVELS[self.age]
        return {
            "site": SITE_LEVELS[self.site],
            "sex": SEX_LEVELS[self.sex],
            "age": f"bands of {years} years" if years else WITHHELD,
            "diagnosis": DIAGNOSIS_LEVELS[self.diagnosis],
        }


@dataclass(frozen=True)
class Generalisation:
    """The levels of a package, the persons left out of it, and the k that was reached."""

    levels: Levels
    left_out: frozenset[str]
    k: int


def persons_of(tables: Mapping[str, pa.Table]) -> list[Person]:
    """Return what an acquaintance may know of each subject, from tables of a release."""
    provinces = {r["site_code"]: r["province_en"] or "unknown" for r in tables["site"].to_pylist()}
    found: dict[str, set[str]] = defaultdict(set)
    for name, column in (("lesion", "reference_class"), ("pathology", "diagnosis_code")):
        for row in tables[name].select(["subject_id", column]).to_pylist():
            if row[column]:
                found[row["subject_id"]].add(row[column])
    return [
        Person(
            row["subject_id"],
            row["site_code"],
            provinces.get(row["site_code"], "unknown"),
            row["sex"],
            row["age_years"],
            frozenset(found[row["subject_id"]] | {f"patient {row['patient_reference']}"}),
        )
        for row in tables["subject"].to_pylist()
    ]


def generalise(persons: Sequence[Person], k: int) -> Generalisation:
    """Return the least coarse levels at which every person is one of at least k.

    Raises
    ------
    GateBlockedError
        If even the coarsest leave somebody in a group of fewer than k.
    """
    every = (SITE_LEVELS, SEX_LEVELS, AGE_LEVELS, DIAGNOSIS_LEVELS)
    choices = [Levels(*which) for which in product(*(range(len(levels)) for levels in every))]
    for levels in sorted(choices, key=lambda one: (one.loss, one)):
        quasi = {person.subject_id: quasi_of(person, levels) for person in persons}
        sizes = Counter(quasi.values())
        alone = frozenset(who for who, what in quasi.items() if sizes[what] < k)
        if len(alone) <= MOST_LEFT_OUT * len(persons) and len(alone) < len(persons):
            kept = [size for size in sizes.values() if size >= k]
            return Generalisation(levels, alone, min(kept))
    raise GateBlockedError(
        f"{len(persons)} subjects cannot be made alike enough to share: however coarse site, sex, "
        f"age and diagnosis are, somebody is one of fewer than {k}",
        expected=f"at least {k} subjects for every combination",
        hint="Share a later release with more subjects.",
    )


def quasi_of(person: Person, levels: Levels) -> Quasi:
    """Return what a package at these levels tells of a person."""
    return (
        site_of(person, levels),
        person.sex if levels.sex == 0 else WITHHELD,
        age_band(person.age, levels.age),
        tuple(sorted({diagnosis_of(one, levels) for one in person.diagnoses})),
    )


def site_of(person: Person, levels: Levels) -> str:
    """Return the site, its province, or nothing."""
    return (person.site, person.province, WITHHELD)[levels.site]


def age_band(age: float | None, level: int) -> str:
    """Return the band of an age in years, such as `60-64`."""
    years = AGE_LEVELS[level]
    if years is None:
        return WITHHELD
    if age is None:
        return "unknown"
    low = int(age) // years * years
    return f"{low}-{low + years - 1}"


def diagnosis_of(code: str, levels: Levels) -> str:
    """Return a diagnosis, its group, or nothing."""
    if levels.diagnosis == len(DIAGNOSIS_LEVELS) - 1:
        return WITHHELD
    return code if levels.diagnosis == 0 else _GROUP_OF.get(code, code)


def measured_k(rows: Iterable[Quasi]) -> int:
    """Return the size of the smallest group that shares a combination; 0 when nobody is there."""
    return min(Counter(rows).values(), default=0)
