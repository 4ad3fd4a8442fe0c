"""The id of a finding: the same problem of the same object has the same id, night after night."""

from __future__ import annotations

import hashlib

_HEX_DIGITS = 16


def finding_id(rule_id: str, object_type: str, object_id: str) -> str:
    """Return the stable id of what a rule found about an object.

    Parameters
    ----------
    rule_id : str
        The rule.
    object_type : str
        The table, or what else the object is.
    object_id : str
        Its key; the parts of a key of several columns joined by `/`.
    """
    text = "\x1f".join((rule_id, object_type, object_id))
    return hashlib.sha256(text.encode()).hexdigest()[:_HEX_DIGITS]
