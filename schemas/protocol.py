"""The protocol as data: criteria, limits, readings, reasons and the decision register."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, model_validator

from schemas.decisions import Decision, parse_decisions
from schemas.errors import BadInputError, ContractError
from schemas.package_data import data_contracts_dir
from schemas.rule_documents import read_document
from schemas.rule_tables import read_signed, table_name
from schemas.signatures import Signature, signed_register

CRITERION_IDS = ("I1", "I2", "I3", "I4", "I5", "E1", "E2", "E3", "E4")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_R = TypeVar("_R", bound=_Model)

#: Decision id → option, under one reading.
Choices = Mapping[str, str]


class Limit(_Model):
    """One number that a verdict hangs on."""

    value: float
    unit: str
    source: str
    reason: str


class Criterion(_Model):
    """One registered criterion."""

    id: str
    kind: Literal["inclusion", "exclusion"]
    title_en: str
    title_zh: str
    threshold: str
    facts: tuple[str, ...]


class Option(_Model):
    """One way to settle a decision, as it is computed; `text` is that of the register."""

    decision: str
    id: str
    text: str


class Reading(_Model):
    """One way to read the registered text: the decisions in force, some of them replaced."""

    id: str
    choices: dict[str, str]
    title_en: str
    title_zh: str


class Study(_Model):
    """Calendar frame of the study (real dates)."""

    recruitment_start: dt.date
    end: dt.date
    last_baseline_mri_for_follow_up: dt.date
    last_baseline_mri_for_pathology: dt.date
    accrual_target: int


class Imaging(_Model):
    """Which labels of harmonisation are evidence for what."""

    contrast_ct: tuple[str, ...]
    native_ct: tuple[str, ...]
    required_t1: dict[str, tuple[str, ...]]
    dynamic_t1: tuple[str, ...]
    dce_agents: dict[str, tuple[str, ...]]
    diagnostic_t2: tuple[str, ...]
    other_t2: tuple[str, ...]
    unsettled: tuple[str, ...]
    decisive_orientation: str


class FlowNode(_Model):
    """One node of the STARD flow, or one pattern of nodes (`each`)."""

    id: str
    parent: str
    en: str
    zh: str
    each: Literal["", "criterion", "evidence"] = ""


class Protocol(_Model):
    """`data_contracts/protocol/eligibility.yaml`."""

    protocol_version: str
    source: str
    default_reading: str
    study: Study
    limits: dict[str, Limit]
    criteria: tuple[Criterion, ...]
    options: tuple[Option, ...]
    readings: tuple[Reading, ...]
    accepted_routes: dict[str, tuple[str, ...]]
    detection_routes: tuple[str, ...]
    closed_follow_up: tuple[str, ...]
    malignant_classes: tuple[str, ...]
    benign_classes: tuple[str, ...]
    imaging: Imaging
    flow: tuple[FlowNode, ...]

    @model_validator(mode="after")
    def _hangs_together(self) -> Protocol:
        if tuple(criterion.id for criterion in self.criteria) != CRITERION_IDS:
            raise ValueError(f"criteria must be {', '.join(CRITERION_IDS)}, in this order")
        if self.default_reading not in {reading.id for reading in self.readings}:
            raise ValueError("default_reading is not among the readings")
        known = {(option.decision, option.id) for option in self.options}
        chosen = {pair for reading in self.readings for pair in reading.choices.items()}
        if not chosen <= known:
            raise ValueError("a reading chooses an option that is not listed")
        return self

    @property
    def proposals(self) -> dict[str, str]:
        """The option of each decision that runs until somebody signs: the first listed."""
        return {option.decision: option.id for option in reversed(self.options)}

    def criterion(self, criterion_id: str) -> Criterion:
        """Return one criterion by its id."""
        return self.criteria[CRITERION_IDS.index(criterion_id)]

    def limit(self, name: str) -> float:
        """Return one limit by its name."""
        return self.limits[name].value


class Reason(_Model):
    """One `reason_code` in words."""

    code: str
    en: str
    zh: str


class Evidence(_Model):
    """What a fact is called where somebody can supply it."""

    fact: str
    name: str
    en: str
    zh: str


@cache
def read_protocol() -> Protocol:
    """Read and check the protocol.

    Raises
    ------
    ContractError
        If the file cannot be used; the message names the place in it.
    """
    return parse_protocol(_folder() / "eligibility.yaml")


def parse_protocol(path: Path) -> Protocol:
    """Read a protocol from a file of the same layout."""
    return read_document(path).validated(Protocol)


@cache
def read_reasons() -> dict[str, Reason]:
    """Read the closed list of reason codes."""
    return parse_reasons(_folder() / "reasons.yaml")


def parse_reasons(path: Path) -> dict[str, Reason]:
    """Read reason codes from a file of the same layout."""
    return _read_list(path, Reason, lambda reason: reason.code)


@cache
def read_evidence() -> dict[str, Evidence]:
    """Read the closed list of evidence, by fact."""
    return parse_evidence(_folder() / "evidence.yaml")


def parse_evidence(path: Path) -> dict[str, Evidence]:
    """Read the list of evidence from a file of the same layout."""
    return _read_list(path, Evidence, lambda item: item.fact)


_signatures: tuple[Signature, ...] = ()


def use_signatures(signatures: Sequence[Signature]) -> None:
    """Put what a home signed in force, for this process: one process serves one home."""
    global _signatures  # what follows is cached by it
    _signatures = tuple(signatures)
    for cached in (read_decisions, decision_ids_for, choices_of):
        cached.cache_clear()


@cache
def read_decisions() -> tuple[Decision, ...]:
    """Read the decision register, with the signatures in force.

    Raises
    ------
    ContractError
        If a row is malformed, half signed or stands twice; the message names its line.
    """
    return signed_register(read_register(_folder() / "decisions.csv"), _signatures)


def read_register(path: Path) -> tuple[Decision, ...]:
    """Read a decision register from a file of the same layout."""
    return parse_decisions(read_signed(path), table_name(path))


@cache
def decision_ids_for(criterion_id: str) -> tuple[str, ...]:
    """Return the decisions that bear on one criterion, sorted."""
    return tuple(
        sorted(
            decision.decision_id
            for decision in read_decisions()
            if decision.criterion in (criterion_id, "all")
        )
    )


@cache
def choices_of(reading: str) -> Choices:
    """Return the option of each decision under one reading.

    Raises
    ------
    BadInputError
        If no reading has this id.
    """
    protocol = read_protocol()
    found = [one for one in protocol.readings if one.id == reading]
    if not found:
        known = ", ".join(one.id for one in protocol.readings)
        raise BadInputError("there is no such reading", expected=known)
    return {**options_in_force(protocol, read_decisions()), **found[0].choices}


def options_in_force(protocol: Protocol, decisions: Sequence[Decision]) -> dict[str, str]:
    """Return the option of each decision that runs: the signed one, else the proposal.

    Raises
    ------
    ContractError
        If a signed decision chose what nobody can compute yet, or an unsigned one runs with
        anything but the proposal.
    """
    in_force = protocol.proposals
    for decision in decisions:
        texts = {o.text: o.id for o in protocol.options if o.decision == decision.decision_id}
        if not texts:
            continue
        option = texts.get(decision.option_chosen)
        if option is None or (not decision.signed and option != in_force[decision.decision_id]):
            raise ContractError(
                f"decision {decision.decision_id} chooses what it cannot",
                expected=" | ".join(texts)
                if decision.signed
                else "the proposal until it is signed",
                where="decisions.csv",
            )
        in_force[decision.decision_id] = option
    return in_force


def _read_list(path: Path, model: type[_R], key: Callable[[_R], str]) -> dict[str, _R]:
    """Read a closed list `<name>.yaml` and return its rows by their key."""
    document = read_document(path)
    rows: dict[str, _R] = {}
    for number in range(len(document.rows(path.stem))):
        place = (path.stem, number)
        row = document.validated(model, place)
        if key(row) in rows:
            raise ContractError(f"{key(row)} stands twice", where=document.where(place))
        rows[key(row)] = row
    return rows


def _folder() -> Path:
    return data_contracts_dir() / "protocol"
