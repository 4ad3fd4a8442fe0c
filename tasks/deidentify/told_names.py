"""Names that stand in comments behind what tells that one follows: `联系人:张建国 电话:...`. Pure.

A comment is removed whole, so nothing of it can be left. But who is named there may be named
again where a person types, and nobody would know that name from the headers otherwise. A name
without a label is not told from an ordinary word, and is not taken for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

_LABEL = (
    r"(?:联系人|联络人|家属|监护人|陪同人?|陪护人?|配偶|父亲|母亲|丈夫|妻子|儿子|女儿|患者|病人|姓名"
    r"|contact(?:\s*person)?|next\s*of\s*kin|relative|guardian|spouse|patient"
    # `Sequence name: liver dyn` and `filename:` name nobody.
    r"|(?<![^\W_])(?<![^\W_]\s)name)"
    r"(?:姓名|\s*name)?\s*[:\uff1a=][\s(\uff08\u3010\[\u201c\u300c\"]*"
)
#: Two to four characters (a double surname and two), up to what cannot belong to a name.
_HAN = r"(?P<han>[\u3400-\u9fff·]{2,4}?)(?=电话|手机|联系|关系|住址|[^\u3400-\u9fff·]|$)"
_LATIN = r"(?P<latin>[^\W\d_]{2,}(?:[ ,^]+[^\W\d_]{2,}){1,2})"


@cache
def _told() -> re.Pattern[str]:
    # Few files have a comment, and it takes longer to make than all that a command starts with.
    return re.compile(f"{_LABEL}(?:{_HAN}|{_LATIN})", re.IGNORECASE)


def told_names(comment: str) -> Iterator[str]:
    """Yield the names in a comment that a label stands before (restricted)."""
    for found in _told().finditer(comment):
        yield found["han"] or found["latin"]
