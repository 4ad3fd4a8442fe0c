"""What workers of this stage find loaded."""

from __future__ import annotations

from schemas.run.work import Warm

WARM = Warm(("tasks.deidentify.store_warm",))
