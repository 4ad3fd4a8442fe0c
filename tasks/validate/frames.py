"""Tables as pandas frames for the rules, with the columns that rules need and tables lack. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd
import pyarrow as pa

from schemas.dicom.features import InstanceFeatures
from schemas.tables.contracts import TableContract
from schemas.tables.record_tables import record_schema

#: Columns added to a published table, and tables made for the rules only.
DERIVED_COLUMNS: dict[str, tuple[str, ...]] = {
    "subject": ("has_study",),
    "imaging_study": ("mri_agent_known",),
    "series": ("is_classified", "volume_as_expected"),
    "lesion": ("malignant_by_pathology",),
    "criterion_result": ("evidence_named",),
    "ingest_batch": ("n_unaccounted", "quarantined_share"),
}
DERIVED_TABLES: dict[str, tuple[str, ...]] = {
    "site_summary": ("site_code", "n_series", "unclassified_share", "accepted_tier_share"),
}
#: The headers as they were read, one row per image; no published table, for rules in SQL only.
INSTANCE_FEATURES = "instance_features"
INSTANCE_KEY = ("sop_uid", "frame_number")
#: Published, with a row per image: never a frame in memory, rules in SQL only.
PUBLISHED_IMAGES = "instance"
SQL_ONLY = frozenset({INSTANCE_FEATURES, PUBLISHED_IMAGES})
UNCLASSIFIED = "UNCLASSIFIED"
_STATES = ("n_accepted", "n_quarantined", "n_duplicate", "n_clinical", "n_control")
_PROVES_MALIGNANT = ("pathology", "adjudication")
_NO_VOLUME_NEEDED = ("LOCALIZER", "NONIMAGE")
_ACCEPTED_TIERS = ("A", "B")
_SITE_CODE_LENGTH = len("S01")


def columns_for_rules(contracts: Mapping[str, TableContract]) -> dict[str, frozenset[str]]:
    """Return table → columns a rule may name."""
    columns = {
        name: frozenset([column.name for column in contract.columns])
        | frozenset(DERIVED_COLUMNS.get(name, ()))
        for name, contract in contracts.items()
    }
    features = frozenset(record_schema(InstanceFeatures).names)
    derived = {name: frozenset(listed) for name, listed in DERIVED_TABLES.items()}
    return columns | derived | {INSTANCE_FEATURES: features}


def key_columns(table: str, contracts: Mapping[str, TableContract]) -> tuple[str, ...]:
    """Return the columns that name a row of a table, published or derived."""
    if table == INSTANCE_FEATURES:
        return INSTANCE_KEY
    return contracts[table].primary_key if table in contracts else DERIVED_TABLES[table][:1]


def prepare_frames(tables: Mapping[str, pa.Table]) -> dict[str, pd.DataFrame]:
    """Return a frame of every table but those of images, with derived columns and tables.

    A column that rests on a table which is not given is left out: the rule that needs it
    then cannot run, and says so.
    """
    frames = {n: table.to_pandas() for n, table in tables.items() if n not in SQL_ONLY}
    for name, derive in _DERIVE.items():
        if name in frames:
            frames[name] = frames[name].assign(**derive(frames))
    if "series" in frames:
        frames["site_summary"] = _site_summary(frames["series"])
    return frames


def _subject(frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.Series]:
    if "imaging_study" not in frames:
        return {}
    with_study = frames["imaging_study"]["subject_id"]
    return {"has_study": frames["subject"]["subject_id"].isin(with_study)}


def _imaging_study(frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.Series]:
    frame = frames["imaging_study"]
    unknown = (frame["modality"] == "MR") & (frame["contrast_agent_class"] == "unknown")
    return {"mri_agent_known": ~unknown}


def _series(frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.Series]:
    frame = frames["series"]
    derived = {"is_classified": frame["label"] != UNCLASSIFIED}
    if "nifti_volume" in frames:
        volumes = frames["nifti_volume"]
        keys = pd.MultiIndex.from_frame(volumes[["series_uid", "sub_stack_digest"]])
        own = pd.MultiIndex.from_frame(frame[["series_uid", "sub_stack_digest"]])
        has_volume = pd.Series(own.isin(keys), index=frame.index)
        derived["volume_as_expected"] = has_volume | frame["label"].isin(_NO_VOLUME_NEEDED)
    return derived


def _lesion(frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.Series]:
    frame = frames["lesion"]
    malignant = frame["malignant"].astype("boolean").fillna(value=False).astype(bool)
    return {"malignant_by_pathology": ~malignant | frame["reference_route"].isin(_PROVES_MALIGNANT)}


def _criterion_result(frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.Series]:
    frame = frames["criterion_result"]
    named = frame["missing_evidence"].map(len) > 0
    return {"evidence_named": (frame["effect"] != "undetermined") | named}


def _ingest_batch(frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.Series]:
    frame = frames["ingest_batch"]
    return {
        "n_unaccounted": frame["n_files"] - frame[list(_STATES)].sum(axis=1),
        "quarantined_share": frame["n_quarantined"] / frame["n_files"].clip(lower=1),
    }


_Derive = Callable[[Mapping[str, pd.DataFrame]], dict[str, pd.Series]]
_DERIVE: dict[str, _Derive] = {
    "subject": _subject,
    "imaging_study": _imaging_study,
    "series": _series,
    "lesion": _lesion,
    "criterion_result": _criterion_result,
    "ingest_batch": _ingest_batch,
}


def _site_summary(series: pd.DataFrame) -> pd.DataFrame:
    sites = series["subject_id"].str.slice(0, _SITE_CODE_LENGTH)
    facts = pd.DataFrame(
        {
            "site_code": sites,
            "unclassified": (series["label"] == UNCLASSIFIED).astype(float),
            "accepted": series["label_tier"].isin(_ACCEPTED_TIERS).astype(float),
        }
    )
    grouped = facts.groupby("site_code", sort=True)
    return pd.DataFrame(
        {
            "n_series": grouped.size(),
            "unclassified_share": grouped["unclassified"].mean(),
            "accepted_tier_share": grouped["accepted"].mean(),
        }
    ).reset_index()
