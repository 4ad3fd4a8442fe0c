"""What workers of this stage find loaded."""

from __future__ import annotations

from schemas.run.work import Warm

WARM = Warm(("tasks.inspect.store_worker",), in_server=("pydicom", "pydicom.pixels.utils"))
