"""The code under which a person decides or signs: one pattern for every desk and form."""

from __future__ import annotations

import re

#: A code that we give, never a name: letters alone may be one (ZHANGWEI).
REVIEWER = re.compile(r"[A-Z]{1,5}-?[0-9]{1,6}")
