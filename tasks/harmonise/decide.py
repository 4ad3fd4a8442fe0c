"""From facets to one label: the only place where a label is chosen.

Tiers: A explicit text and agreeing physics, B one explicit source without conflict, C
inferred only, X conflict, none. Only A and B name a label; everything else is UNCLASSIFIED.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tasks.harmonise.vocabulary import UNCLASSIFIED, read_labels
from tasks.harmonise.votes import Facets, Resolution

#: Physics of this priority and above is specific enough to contradict a text.
_STRONG_PHYSICS = 60
#: Text family -> physics families that cannot be the same acquisition.
_CONTRADICTIONS = {
    "t1": frozenset({"t2", "mrcp", "dwi"}),
    "t2": frozenset({"t1", "mrcp", "dwi"}),
    "mrcp": frozenset({"t1", "dwi"}),
    "dwi": frozenset({"t1"}),
    "bssfp": frozenset({"dwi", "mrcp"}),
}
_LIVER_PHASES = frozenset({"pvp", "trans", "hbp"})
_FAMILY_LABELS = {"mrcp": "MR_MRCP", "bssfp": "MR_BSSFP", "dwi": "MR_DWI", "adc": "MR_ADC"}
_ECHO_LABELS = {"in": "MR_T1_IP", "opp": "MR_T1_OP", "inopp": "MR_T1_IPOP"}
MR_PHASE_LABELS = {
    "pre": "MR_T1_PRE",
    "art": "MR_T1_ART",
    "pvp": "MR_T1_PVP",
    "del": "MR_T1_DEL",
    "trans": "MR_T1_TRANS",
    "late": "MR_T1_POST",
    "hbp": "MR_T1_HBP",
    "post": "MR_T1_POST",
    "multi": "MR_T1_DYN",
}
CT_PHASE_LABELS = {
    "pre": "CT_NC",
    "art": "CT_ART",
    "pvp": "CT_PVP",
    "del": "CT_DEL",
    "post": "CT_CE",
    "multi": "CT_MULTI",
}


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A label with its tier and evidence.

    `is_dynamic` says that the sub-stack is a T1 of the dynamic, or a CT of the liver, whose
    label is its contrast phase alone; the exam may still decide it. `contrast_phase` is what
    the text says of it. `weighting` is known more often than the label.
    """

    label: str = UNCLASSIFIED
    tier: str = "none"
    evidence: tuple[str, ...] = ()
    weighting: str = "other"
    is_dynamic: bool = False
    contrast_phase: str | None = None


def decide(modality: str | None, text: Facets, physics: Facets) -> Decision:
    """Return the label that text and physics of one sub-stack settle.

    Parameters
    ----------
    modality : str or None
        Modality (0008,0060); anything but CT and MR stays UNCLASSIFIED.
    text, physics : Facets
        Resolved votes of the text rules and of the physics and ImageType rules.
    """
    if modality not in ("CT", "MR"):
        return Decision()
    exclusion = _strongest(text["exclusion"], physics["exclusion"])
    if exclusion.conflict:
        return Decision(tier="X", evidence=exclusion.evidence)
    if exclusion.value is not None:
        weighting = read_labels()[exclusion.value].weighting
        return Decision(
            label=exclusion.value, tier="B", evidence=exclusion.evidence, weighting=weighting
        )
    if text["abstain"].value is not None:
        return Decision(tier="X", evidence=text["abstain"].evidence)
    if _is_elsewhere(text, physics):
        return Decision(label="OTHER", tier="B", evidence=physics["region"].evidence)
    return _decide_ct(text) if modality == "CT" else _decide_mr(text, physics)


def _is_elsewhere(text: Facets, physics: Facets) -> bool:
    """Return whether the header names another region and no word names the liver beside it."""
    region = physics["region"].value
    if region not in ("other", "chest") or text["region"].value == "abdomen":
        return False
    phase, family = text["contrast_phase"].value, text["family"].value
    if phase in _LIVER_PHASES or family == "mrcp":
        return False
    # A scan of chest and abdomen is often filed under the chest; its phases are the liver's.
    return region == "other" or phase in (None, "pre", "post", "multi", "art")


def _strongest(first: Resolution, second: Resolution) -> Resolution:
    return second if second.priority > first.priority else first


def _decide_ct(text: Facets) -> Decision:
    phase = text["contrast_phase"]
    blank = Decision(weighting="CT", is_dynamic=True)
    if phase.conflict:
        return replace(blank, tier="X", evidence=phase.evidence)
    if phase.value is None or phase.value not in CT_PHASE_LABELS:
        return blank
    return replace(
        blank,
        label=CT_PHASE_LABELS[phase.value],
        tier="B",
        evidence=phase.evidence,
        contrast_phase=phase.value,
    )


def _decide_mr(text: Facets, physics: Facets) -> Decision:
    family = _family(text, physics)
    if family.tier == "X" or family.value is None:
        return Decision(tier=family.tier, evidence=family.evidence)
    tier = "A" if family.agrees else "B"
    if family.value in _FAMILY_LABELS:
        label = _FAMILY_LABELS[family.value]
        accepted = family.explicit
        return Decision(
            label=label if accepted else UNCLASSIFIED,
            tier=tier if accepted else "C",
            evidence=family.evidence,
            weighting=read_labels()[label].weighting,
        )
    if family.value == "t2":
        return _decide_t2(family, tier, text, physics)
    return _decide_t1(family, tier, text, physics)


@dataclass(frozen=True)
class _Family:
    value: str | None
    tier: str
    evidence: tuple[str, ...]
    agrees: bool = False
    explicit: bool = False


def _family(text: Facets, physics: Facets) -> _Family:
    """Weigh the family that the text names against the physics."""
    said, seen = text["family"], physics["family"]
    evidence = said.evidence + seen.evidence
    if said.conflict:
        return _Family(None, "X", evidence)
    if said.value is None:
        return _family_without_words(text, seen)
    strong = seen.priority >= _STRONG_PHYSICS
    if seen.value == "adc" and said.value == "dwi":
        return _Family("adc", "B", evidence, explicit=True)
    if strong and seen.value in _CONTRADICTIONS.get(said.value, ()):
        return _Family(None, "X", evidence)
    agrees = seen.value == said.value
    shown = evidence if agrees else said.evidence
    return _Family(said.value, "B", shown, agrees=agrees, explicit=True)


def _family_without_words(text: Facets, seen: Resolution) -> _Family:
    if seen.conflict:
        return _Family(None, "X", seen.evidence)
    phase, echo = text["contrast_phase"], text["echo"]
    if seen.value in (None, "t1") and (echo.value or _names_t1(phase, seen)):
        # In liver MR only T1 images are named by an echo or by a contrast phase.
        agrees = seen.value == "t1"
        return _Family("t1", "B", seen.evidence if agrees else (), agrees=agrees, explicit=True)
    if seen.value is None:
        return _Family(None, "none", ())
    # ADC by ImageType, diffusion by its b-value and echo times at which only fluid has signal
    # are statements; the rest is inference.
    stated = seen.value in ("adc", "dwi", "mrcp")
    return _Family(seen.value, "B" if stated else "C", seen.evidence, explicit=stated)


def _names_t1(phase: Resolution, seen: Resolution) -> bool:
    """Return whether a contrast phase tells a T1; T2 and diffusion are made after contrast too."""
    if phase.value != "post" or seen.value == "t1":
        return phase.value is not None
    return any(vote.matched[:1].isdigit() for vote in phase.votes)


def _decide_t2(family: _Family, tier: str, text: Facets, physics: Facets) -> Decision:
    blank = Decision(weighting="T2", evidence=family.evidence)
    if not family.explicit:
        return replace(blank, tier="C")
    dixon = _strongest(text["dixon"], physics["dixon"])
    fat_sat = text["fat_sat"]
    if dixon.value == "fat" or fat_sat.conflict:
        return replace(blank, tier="X", evidence=blank.evidence + dixon.evidence)
    if fat_sat.value == "yes":
        return replace(
            blank, label="MR_T2_FS", tier=tier, evidence=blank.evidence + fat_sat.evidence
        )
    if dixon.value == "water":
        return replace(blank, label="MR_T2_FS", tier=tier, evidence=blank.evidence + dixon.evidence)
    return replace(blank, label="MR_T2", tier=tier)


def _decide_t1(family: _Family, tier: str, text: Facets, physics: Facets) -> Decision:
    blank = Decision(weighting="T1", evidence=family.evidence)
    dixon = _strongest(text["dixon"], physics["dixon"])
    if dixon.value == "fat":
        return replace(blank, label="MR_T1_FAT", tier="B", evidence=blank.evidence + dixon.evidence)
    echo = _echo(text, physics)
    if echo.conflict:
        return replace(blank, tier="X", evidence=blank.evidence + echo.evidence)
    if echo.value is not None:
        stands = family.explicit or echo.priority >= _STRONG_PHYSICS
        return replace(
            blank,
            label=_ECHO_LABELS[echo.value] if stands else UNCLASSIFIED,
            tier=tier if stands else "C",
            evidence=blank.evidence + echo.evidence,
        )
    return _decide_phase(family, tier, text)


def _echo(text: Facets, physics: Facets) -> Resolution:
    """Return in or opposed phase; ImageType beats text, echo time splits a dual echo."""
    said, typed, timed = text["echo"], physics["echo"], physics["echo_time"]
    if said.conflict:
        # Named both in and opposed: one object that holds both.
        said = Resolution("inopp", said.votes)
    if typed.value is not None:
        return typed
    if said.value == "inopp" and timed.value is not None:
        return Resolution(timed.value, said.votes + timed.votes)
    if said.value in ("in", "opp") and timed.value not in (None, said.value):
        return Resolution(None, said.votes + timed.votes, conflict=True)
    return said


def _decide_phase(family: _Family, tier: str, text: Facets) -> Decision:
    phase = text["contrast_phase"]
    blank = Decision(weighting="T1", is_dynamic=True, evidence=family.evidence)
    if phase.conflict:
        return replace(blank, tier="X", evidence=blank.evidence + phase.evidence)
    if phase.value is None:
        return replace(blank, tier="none" if family.explicit else "C")
    return replace(
        blank,
        label=MR_PHASE_LABELS[phase.value],
        tier=tier,
        evidence=blank.evidence + phase.evidence,
        contrast_phase=phase.value,
    )
