"""Each attribute that decides, in every form that exporters write it: what becomes of it.

    python benchmarks/convert/mutations.py [--convert]

One line per form: how many attributes gave the same result, were held by their name, were
dropped with a finding, or were lost in silence (which must be none). With `--convert` the
attributes of values and geometry go on through `deidentify` and `convert` of a CT series: the
volume is the same as from the plain form, or there is none.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections import Counter, defaultdict
from pathlib import Path

import nibabel
import numpy as np

from schemas.dicom.deciding_attributes import Decides
from tasks.convert.store_folder import convert_folder
from tasks.deidentify.store_folder import deidentify_folder
from tests.builders import make_series, to_bytes
from tests.unit.deidentify.helpers import RING, SITE
from tests.unit.deidentify.mutations import SILENT, Mutation, mutations, outcome_of, put

_THROUGH = ("RescaleIntercept", "RescaleSlope", "PixelSpacing")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--convert", action="store_true", help="through conversion as well")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    every = list(mutations())
    table: dict[str, Counter[str]] = defaultdict(Counter)
    silent = []
    for mutation in every:
        outcome = outcome_of(mutation)
        place = "" if mutation.place != "no creator" else " (no creator)"
        table[mutation.form + place][outcome] += 1
        if outcome == SILENT:
            silent.append(str(mutation))
    attributes = len({m.row.keyword for m in every})
    print(f"{attributes} attributes, {len(every)} mutations, {len(silent)} lost in silence")
    _print(table)
    print(*silent, sep="\n")
    if options.convert:
        _print(_through_conversion(every))


def _print(table: dict[str, Counter[str]]) -> None:
    outcomes = sorted({o for counts in table.values() for o in counts})
    print(f"{'form':44}" + "".join(f"{o:>12}" for o in outcomes))
    for form in sorted(table):
        print(f"{form:44}" + "".join(f"{table[form][o]:>12}" for o in outcomes))


def _through_conversion(every: list[Mutation]) -> dict[str, Counter[str]]:
    table: dict[str, Counter[str]] = defaultdict(Counter)
    chosen = [m for m in every if m.row.keyword in _THROUGH and m.place == "root"]
    plain = {m.row.keyword: _volume(m) for m in chosen if m.form == "plain"}
    for mutation in chosen:
        assert mutation.row.decides in (Decides.VALUES, Decides.GEOMETRY)
        if not mutation.numbers and mutation.numbers is not None:
            continue  # what was not delivered is no mutation of it
        volume, wanted = _volume(mutation), plain[mutation.row.keyword]
        assert wanted is not None
        same = volume is not None and all(
            np.allclose(a, b, rtol=1e-6, atol=1e-4) for a, b in zip(volume, wanted, strict=True)
        )
        outcome = "no volume" if volume is None else "same volume" if same else "OTHER VOLUME"
        table[mutation.form][outcome] += 1
    return table


def _volume(mutation: Mutation) -> tuple[np.ndarray, np.ndarray] | None:
    with tempfile.TemporaryDirectory() as scratch:
        source, out, nifti = (Path(scratch, name) for name in ("in", "out", "nii"))
        source.mkdir()
        nifti.mkdir()
        for number, data in enumerate(make_series(n_slices=6)):
            put(data, mutation.row.tag, mutation)
            (source / f"{number}.dcm").write_bytes(to_bytes(data))
        deidentify_folder(source, out, SITE, RING, subject_from="patient_id")
        convert_folder(out, nifti)
        volumes = sorted(nifti.rglob("*.nii.gz"))
        if len(volumes) != 1:
            return None
        image = nibabel.load(volumes[0])
        return np.asarray(image.get_fdata()), np.asarray(image.affine)


if __name__ == "__main__":
    main()
