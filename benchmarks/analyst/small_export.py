"""Write a small export for the training loop: four made volumes of a made release.

python benchmarks/analyst/small_export.py EXPORT
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pyarrow as pa

from tasks.datalist.store import Wanted, export_release
from tasks.publish.store import build_release

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.unit.publish.cohort import make_cohort, make_facts, make_sources

LABEL = "MR_T1_ART"


def main() -> int:
    """Make the release, and export it."""
    if len(sys.argv) != 2:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    tables = make_cohort(extra_subject="S91-DDDD5555")
    people = tables["subject"]["subject_id"].to_pylist()
    for name, values in (
        ("patient_reference", ["benign" if n % 2 else "malignant" for n in range(len(people))]),
        ("analysis_role", ["phase2_development"] * len(people)),
    ):
        at = tables["subject"].schema.get_field_index(name)
        field = tables["subject"].schema.field(at)
        column = pa.array(values, type=field.type)
        tables["subject"] = tables["subject"].set_column(at, field, column)
    with tempfile.TemporaryDirectory() as scratch:
        built = build_release(
            tables,
            releases_dir=Path(scratch, "releases"),
            nifti_sources=make_sources(Path(scratch, "warehouse"), tables),
            facts=make_facts(),
        )
        query = f"SELECT rel_path FROM series_choice WHERE label = '{LABEL}'"
        wanted = Wanted(None, query, (LABEL,), n_folds=2)
        made = export_release(
            Path(scratch, "releases", built.version),
            Path(sys.argv[1]),
            wanted,
            kept_out=lambda _: (),
        )
    print(f"{made.files} volumes in {made.folder.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
