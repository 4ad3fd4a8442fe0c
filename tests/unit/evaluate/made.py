"""A home with a signed release of known subjects, its roles, and runs over it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from schemas.run.settings import Settings
from schemas.tables.contracts import read_code_lists
from schemas.vault.keys import create_demo_key_file
from tasks.publish.rows import Row, code_list_rows
from tasks.publish.signature import Signer
from tasks.publish.store import build_release
from tasks.simulate.outcomes.index_runs import (
    MODEL_VERSION,
    Target,
    Truth,
    lesion_places,
    reference_csv,
    roles_csv,
    run_files,
)
from tests.unit.publish.cohort import (
    CONTRACTS,
    CRITERIA,
    decision_register,
    make_facts,
    make_row,
    make_table,
)

FROZEN, STARTED, RUN = "2026-01-05", "2026-02-02T08:00:00+00:00", "run-a"
SITES = ("S91", "S92", "S93")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_READINGS = ("literal", "combined_exam")


def subject_id(number: int) -> str:
    """Return the pseudonym of a made subject."""
    letters = "".join(_ALPHABET[(number >> (5 * at)) & 31] for at in range(8))
    return f"{SITES[number % len(SITES)]}-{letters}"


@dataclass(frozen=True)
class Made:
    """A home with a release, and the subjects of it that a run may score."""

    settings: Settings
    release: Path
    people: list[Target]

    def write_run(self, folder: Path, truth: Truth | None = None, seed: int = 1) -> Path:
        """Write a run over everybody who may be scored, and the places of the lesions."""
        places = lesion_places(self.people, seed)
        files = run_files(self.people, places, truth or Truth(), self.release.name, seed, STARTED)
        reference = folder.parent / "reference"
        for path, data in {
            **{folder / name: data for name, data in files.items()},
            reference / "reference_lesions.csv": reference_csv(self.people, places),
        }.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return folder


def make_home(
    home: Path,
    subjects: int = 24,
    *,
    eligible: bool = True,
    lesions: int = 2,
    one_person: tuple[int, ...] = (),
    **decisions: str,
) -> Made:
    """Release a cohort: two in three malignant, every eighth in development, lesions each.

    `one_person` are the numbers of subjects that are one person; `decisions` options signed for
    decisions by id.
    """
    settings = Settings(home=home)
    ring = create_demo_key_file(settings.master_key_file, 7)
    rows: dict[str, list[Row]] = {name: [] for name in CONTRACTS if name != "release"}
    people: list[Target] = []
    roles: dict[str, str] = {}
    for site in SITES:
        rows["site"].append(
            make_row("site", site_code=site, registration_status="fictitious", name_en=site)
        )
        rows["ingest_batch"].append(
            make_row("ingest_batch", batch_id=f"b-{site}", site_code=site, n_files=0, n_accepted=0)
            | {"n_quarantined": 0, "n_duplicate": 0, "n_clinical": 0, "n_control": 0}
        )
    sources = {}
    for number in range(subjects):
        role = "phase2_development" if number % 8 == 7 else "phase1_validation"
        person = _add(rows, number, role, lesions, eligible=eligible)
        roles[person.subject_id] = role
        if role != "phase2_development":
            people.append(person)
        path = home / "warehouse" / f"{person.volumes[0][0]}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_bytes(person.subject_id))
        sources[person.volumes[0][0]] = path
    rows["code_list"] = code_list_rows(read_code_lists())
    if one_person:
        named = "/".join(subject_id(number) for number in one_person)
        rule = "ELIG_ONE_PERSON_SEVERAL_SUBJECTS"
        found = make_row("finding", finding_id="f1", rule_id=rule, object_id=named)
        rows["finding"].append(found)
    rows["stard_flow"] = _flow(rows, eligible=eligible)
    signed = [(key, option, "PI") for key, option in decisions.items()]
    facts = {"decisions_csv": decision_register(("D01", "x", ""), *signed)}
    result = build_release(
        {name: make_table(name, listed) for name, listed in rows.items()},
        releases_dir=settings.zones.releases,
        nifti_sources=sources,
        facts=make_facts(**facts),
        signer=Signer.of(ring),
    )
    assert result.path is not None
    (settings.zones.restricted / "analysis_roles.csv").write_bytes(roles_csv(roles, FROZEN))
    return Made(settings, result.path, people)


def _add(
    rows: dict[str, list[Row]], number: int, role: str, lesions: int, *, eligible: bool
) -> Target:
    key, malignant = subject_id(number), number // 3 % 3 != 0
    site, digest = key[:3], hashlib.sha256(key.encode()).hexdigest()[:16]
    own = {"subject_id": key, "batch_id": f"b-{site}"}
    rows["subject"].append(
        make_row(
            "subject",
            site_code=site,
            consent_status="consented",
            ascertainment="prospective" if number % 2 else "retrospective",
            analysis_role=role,
            patient_reference="malignant" if malignant else "benign",
            partially_verified=False,
            **own,
        )
    )
    study = f"2.25.1{number:06d}"
    rows["imaging_study"].append(
        make_row(
            "imaging_study",
            study_uid=study,
            modality="MR",
            role="eob_mri",
            manufacturer=("SIEMENS", "GE MEDICAL SYSTEMS")[number % 2],
            field_strength_t=(1.5, 3.0)[number // 2 % 2],
            **own,
        )
    )
    rows["series"].append(
        make_row(
            "series",
            series_uid=f"{study}.1",
            sub_stack_digest=digest,
            study_uid=study,
            modality="MR",
            label="MR_T1_ART",
            **own,
        )
    )
    sha256 = hashlib.sha256(_bytes(key)).hexdigest()
    rows["nifti_volume"].append(
        make_row(
            "nifti_volume",
            volume_id=digest,
            series_uid=f"{study}.1",
            sub_stack_digest=digest,
            study_uid=study,
            rel_path=f"nifti/sub-{key.replace('-', '')}/{digest}.nii.gz",
            sha256=sha256,
            **own,
        )
    )
    listed = []
    for lesion in range(1 + number % lesions):
        lesion_id = f"L{number:06d}{lesion}"
        listed.append((lesion_id, malignant))
        rows["lesion"].append(
            make_row(
                "lesion",
                lesion_id=lesion_id,
                lesion_no=lesion + 1,
                reference_class="HCC" if malignant else "FNH",
                malignant=malignant,
                reference_accepted=True,
                diameter_mm=8.0 + 7 * (number % 8),
                **own,
            )
        )
    for reading in _READINGS:
        status = "eligible" if eligible else "undetermined"
        rows["eligibility"].append(
            make_row(
                "eligibility",
                subject_id=key,
                reading=reading,
                status=status,
                all_undetermined=[] if eligible else ["I5"],
                n_criteria=len(CRITERIA),
            )
        )
        for criterion in CRITERIA:
            undetermined = not eligible and criterion == "I5"
            rows["criterion_result"].append(
                make_row(
                    "criterion_result",
                    subject_id=key,
                    criterion_id=criterion,
                    reading=reading,
                    status="undetermined"
                    if undetermined
                    else "met"
                    if criterion[0] == "I"
                    else "not_met",
                    effect="undetermined" if undetermined else "pass",
                )
            )
    return Target(key, malignant, tuple(listed), ((digest, sha256),))


def _flow(rows: dict[str, list[Row]], *, eligible: bool) -> list[Row]:
    found = []
    for reading in _READINGS:
        for site in ("all", *SITES):
            ours = [row for row in rows["subject"] if site in ("all", row["site_code"])]
            n = {"malignant": 0, "benign": 0}
            for row in ours if eligible else ():
                n[str(row["patient_reference"])] += 1
            total = len(ours)
            inside = total if eligible else 0
            for order, (node, parent, count) in enumerate(
                (
                    ("screened", None, total),
                    ("undetermined", "screened", total - inside),
                    ("eligible", "screened", inside),
                    ("reference_malignant", "eligible", n["malignant"]),
                    ("reference_benign", "eligible", n["benign"]),
                ),
                start=1,
            ):
                found.append(
                    make_row(
                        "stard_flow",
                        reading=reading,
                        site_code=site,
                        node_id=node,
                        parent_id=parent,
                        node_order=order,
                        n=count,
                    )
                )
    return found


def _bytes(key: str) -> bytes:
    return f"nifti of {key}".encode()


__all__ = ["FROZEN", "MODEL_VERSION", "RUN", "STARTED", "Made", "make_home", "subject_id"]
