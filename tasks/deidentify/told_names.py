"""Names that stand in comments behind what tells that one follows: `联系人:张建国 电话:...`. Pure.

A comment is removed whole, so nothing of it can be left. But who is named there may be named
again where a person types, and nobody would know that name from the headers otherwise. A name
without a label is not told from an ordinary word, and is not taken for one. Nor are words behind
a label that are mostly known to say how somebody was scanned: `Patient: breath hold good`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from schemas.dicom.descriptor_vocabulary import read_vocabulary
from schemas.dicom.descriptors import clean_descriptor
from tasks.deidentify.rules.profile import load_profile

#: The list of `words.csv` with words of comments that are no part of a name. Nothing that is
#: written is made of them.
COMMENT_WORDS = "comment"
_SHORTEST_HAN_WORD = 2
_FEWEST_WORDS = 2
_BETWEEN = re.compile(r"[ ,^]+")
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
    """Yield the names in a comment that a label stands before (restricted).

    Of three Latin words the first two are one as well: the third may go on with the sentence.
    """
    for found in _told().finditer(comment):
        if found["han"]:
            if not _says_how(found["han"]):
                yield found["han"]
            continue
        parts = list(_BETWEEN.finditer(found["latin"]))
        for end in (*(part.start() for part in parts[1:]), len(found["latin"])):
            if not _mostly_known(found["latin"][:end]):
                yield found["latin"][:end]


def _mostly_known(latin: str) -> bool:
    words = _BETWEEN.split(latin)
    known = sum(word.lower() in _known_words() for word in words)
    return known >= _FEWEST_WORDS


def _says_how(han: str) -> bool:
    """Return whether Han characters are technique words, or hold a word that no name has."""
    if clean_descriptor(han).replace(" ", "") == han:
        return True
    return any(word in han for word in _known_han())


@cache
def _known_words() -> frozenset[str]:
    vocabulary = read_vocabulary()
    listed = load_profile().word_lists[COMMENT_WORDS].words
    return frozenset({*vocabulary.words, *map(str.lower, listed)} - vocabulary.name_like)


@cache
def _known_han() -> frozenset[str]:
    words = {word for word in _known_words() if not word.isascii() and word.isalpha()}
    return frozenset(word for word in words if len(word) >= _SHORTEST_HAN_WORD)
