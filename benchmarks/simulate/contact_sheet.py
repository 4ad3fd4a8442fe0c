"""Write one PNG with the phases of one simulated subject, to be looked at.

python benchmarks/simulate/contact_sheet.py sheet.png --site 0 --subject 0 --seed 7 --full
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tasks.simulate.contact_sheet import contact_sheet, png_bytes
from tasks.simulate.exports import plan_images
from tasks.simulate.people.hospitals import HOSPITALS
from tasks.simulate.people.subjects import make_subjects


def main() -> None:
    """Read the options and write the picture."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("out", type=Path)
    options.add_argument("--site", type=int, default=0, help="0 for S91, 8 for S99")
    options.add_argument("--subject", type=int, default=0)
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--full", action="store_true", help="every series of the exams")
    chosen = options.parse_args()
    hospital = HOSPITALS[chosen.site]
    subjects = make_subjects(
        hospital, site_index=chosen.site, per_site=chosen.subject + 1, seed=chosen.seed
    )[-1:]
    export = plan_images(hospital, subjects, 1, chosen.seed, full=chosen.full)
    picture = contact_sheet(export, subjects[0].subject_no, chosen.seed)
    chosen.out.write_bytes(png_bytes(picture))
    print(f"{chosen.out}: {picture.shape[1]} x {picture.shape[0]} pixels")


if __name__ == "__main__":
    main()
