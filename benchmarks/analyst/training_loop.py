"""Does MONAI train on an export? The loop of the export's own README, run as it stands there.

    python benchmarks/analyst/training_loop.py EXPORT

In an environment of its own (`pip install -r benchmarks/analyst/peers.txt`): MONAI brings torch
along, which is larger than everything that livercohort needs. EXPORT is what
`livercohort export RELEASE EXPORT --cohort hbp_eligible` wrote. Prints the shape of every batch.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

_LOOP = re.compile(r"```python\n(.*?)```", re.DOTALL)
_BODY = re.compile(r"^    \.\.\..*$", re.MULTILINE)
_SHOWN = "    print({key: tuple(batch[key].shape) for key in keys}, batch['label'].tolist())"


def main() -> int:
    """Run the loop and print what came out."""
    if len(sys.argv) != 2:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    folder = Path(sys.argv[1])
    found = _LOOP.search((folder / "README.md").read_text(encoding="utf-8"))
    if found is None:
        sys.stderr.write(f"found no loop in {folder / 'README.md'}; expected an export\n")
        return 2
    code, filled = _BODY.subn(_SHOWN, found[1])
    if filled != 1:
        sys.stderr.write("the loop in README.md has no place for the training step\n")
        return 1
    os.chdir(folder)
    exec(compile(code, "README.md", "exec"), {})
    import monai
    import torch

    print(f"MONAI {monai.__version__}, torch {torch.__version__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
