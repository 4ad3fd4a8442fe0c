"""A cohort release, read-only: SQL over its database and the volumes beside it.

Stands on the files of the release alone: nothing of the pipeline is needed to read one.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import duckdb
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

#: What every release has, whatever its version.
_MANIFEST, _DATABASE = "manifest.json", "cohort.duckdb"


class ReleaseError(ValueError):
    """What was asked for is not in the release, or is not what the release proved."""


@dataclass(frozen=True)
class Volume:
    """One volume of a release.

    Parameters
    ----------
    array : float32 array, (x, y, z) or (x, y, z, t)
        Voxel values with slope and intercept applied: Hounsfield units for CT.
    affine : float64 array, (4, 4)
        From voxel indices to patient coordinates, RAS+, mm.
    subject_id, label, rel_path : str
        Whose it is, its canonical label, and its path inside the release.
    """

    array: NDArray[np.float32]
    affine: NDArray[np.float64]
    subject_id: str
    label: str
    rel_path: str

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance of neighbouring voxels along each axis of the array, mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)


class Release:
    """An open release; use `open_release` to get one, and `with` or `close` to let go of it."""

    def __init__(self, folder: Path) -> None:
        for name in (_MANIFEST, _DATABASE):
            if not (folder / name).is_file():
                raise ReleaseError(
                    f"found no {name} in {folder}; expected the folder of a release, "
                    "for instance releases/latest"
                )
        self.folder = folder
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        self.version: str = manifest["semver"]
        # Closed to everything else: SQL from somebody else cannot read files of this machine.
        self._database = duckdb.connect(
            str(folder / _DATABASE), read_only=True, config={"enable_external_access": False}
        )

    def sql(self, query: str, values: Sequence[object] = ()) -> pd.DataFrame:
        """Return the rows of a query over the tables and views of the release.

        Parameters
        ----------
        query : str
            SQL as DuckDB speaks it; `?` stands for a value.
        values : sequence
            The values, in order.
        """
        return self._database.execute(query, list(values)).df()

    def subjects(self, *, eligible: bool = False) -> pd.DataFrame:
        """Return one row per subject; with `eligible` those of the analysis set.

        The analysis set follows the reading of the protocol that is in force; for another one
        query `eligibility`.
        """
        table = "analysis_set" if eligible else "subject"
        return self.sql(f"SELECT * FROM {table} ORDER BY subject_id")  # noqa: S608 - two constants

    def series(self, *, label: str | None = None, eligible: bool = False) -> pd.DataFrame:
        """Return one row per subject and label: the series that stands for the label.

        Which rule chose it is in `chosen_by`. All series, also those not chosen: table `series`.

        Raises
        ------
        ReleaseError
            If no label of the release has this name.
        """
        if label is not None and label not in self.labels():
            raise ReleaseError(f"found label {label!r}; expected one of {', '.join(self.labels())}")
        kept = "subject_id IN (SELECT subject_id FROM analysis_set)" if eligible else "true"
        return self.sql(
            f"SELECT * FROM series_choice WHERE {kept} AND (? IS NULL OR label = ?) "  # noqa: S608
            "ORDER BY subject_id, label",
            [label, label],
        )

    def labels(self) -> list[str]:
        """Return the canonical labels, in the order of the vocabulary's view."""
        columns = self.sql("DESCRIBE series_wide")["column_name"].tolist()
        return [name for name in columns if name not in ("subject_id", "site_code")]

    def volume(self, subject_id: str, label: str, *, check: bool = True) -> Volume:
        """Return the volume that stands for a label of a subject.

        Parameters
        ----------
        subject_id, label : str
            As in `series`.
        check : bool
            Whether the file is hashed first, so that a damaged one is refused.

        Raises
        ------
        ReleaseError
            If there is no such volume, or its bytes are not those that were proven.
        """
        found = self.series(label=label)
        found = found[found["subject_id"] == subject_id]
        if found.empty:
            raise ReleaseError(f"{subject_id} has no {label} in release {self.version}")
        return self.volume_at(str(found["rel_path"].iloc[0]), check=check)

    def volume_at(self, rel_path: str, *, check: bool = True) -> Volume:
        """Return the volume at a path of table `nifti_volume`; see `volume`."""
        rows = self.sql(
            "SELECT v.subject_id, r.label, v.sha256 FROM nifti_volume v "
            "JOIN series r USING (series_uid, sub_stack_digest) WHERE v.rel_path = ?",
            [rel_path],
        )
        if rows.empty:
            raise ReleaseError(f"{rel_path} is no volume of release {self.version}")
        subject_id, label, sha256 = rows.iloc[0]
        array, affine = _read(self.folder / rel_path, str(sha256) if check else None)
        return Volume(array, affine, str(subject_id), str(label), rel_path)

    def close(self) -> None:
        """Let go of the database file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Release({self.version!r}, {str(self.folder)!r})"


def open_release(folder: str | Path) -> Release:
    """Open a release.

    Parameters
    ----------
    folder : str or Path
        Its folder: `<home>/releases/1.2.0`, `<home>/releases/latest`, or a copy of one.

    Raises
    ------
    ReleaseError
        If there is none.
    """
    return Release(Path(folder).resolve())


def _read(path: Path, sha256: str | None) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    import nibabel

    try:
        data = path.read_bytes()
    except OSError as error:
        raise ReleaseError(f"{path} cannot be read: {error.strerror}") from None
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise ReleaseError(
            f"{path} is not the volume that the release proved: its hash differs; "
            "take the file anew from the release"
        )
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(data))
    # Once per volume, and not kept twice: the loaded array is the caller's.
    array = np.asarray(image.dataobj, dtype=np.float32)
    return array, np.asarray(image.affine, dtype=np.float64)
