"""Free text of a header reduced to technique words of a closed vocabulary.

What is not in the vocabulary is dropped: a series name stays useful and a person's name
never survives. The vocabulary is `data_contracts/deidentification/descriptor_vocabulary.txt`,
the agents are in `data_contracts/sequence_labels/contrast_agents.csv`.

Numbers survive only as part of a technical expression: `20min`, `2.5mm`, `b800`, `te90`,
`3phase`, `ph2`, `3t`, `b30f`. Dates, phone numbers and record numbers have no such form.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from schemas.dicom.charsets import possible_texts
from schemas.dicom.contrast_agents import read_agent_class
from schemas.dicom.descriptor_idioms import part_camel_case, settle_idioms
from schemas.dicom.descriptor_vocabulary import Vocabulary, read_vocabulary

__all__ = ["clean_descriptor", "decode_descriptor", "read_agent_class"]

_LONGEST_GLUED_RUN = 40
_LETTERS_NFD_KEEPS = str.maketrans({"ł": "l", "ø": "o", "ß": "ss", "æ": "ae", "œ": "oe", "đ": "d"})
_UNITS = {
    "mm": ("mm",),
    "s": ("s", "sec", "secs", "second", "seconds", "sek", "秒", "초"),
    "min": ("min", "mins", "minute", "minutes", "minuten", "minutos", "minut", "分钟", "分", "분"),
    "h": ("h", "hr", "hrs", "hour", "hours", "小时"),
    "kv": ("kv", "kvp"),
    "kev": ("kev",),
}
_UNIT_OF = {word: unit for unit, words in _UNITS.items() for word in words}
_FIELD_STRENGTHS_T = ("0.5", "1", "1.5", "3", "5", "7")
_HIGHEST_B_VALUE = 5000
#: A change of character set (ISO/IEC 2022) that a decoder left standing: its last letter is no
#: part of the word behind it.
_ESCAPE = re.compile(r"\x1b[\x20-\x2f]+[\x30-\x7e]")


@dataclass(frozen=True)
class _NumberForm:
    """One technical expression a number may be part of, and how it is written here."""

    pattern: str
    write: Callable[[re.Match[str]], str]


def clean_descriptor(text: str) -> str:
    """Return the technique words of `text`, in order, lower case, joined by one space.

    Parameters
    ----------
    text : str
        Any free text of a header, decoded. Separators, case, width and diacritics do not
        matter; letters are parted from digits; Chinese, Japanese and Korean are cut at the longest
        known words.

    Returns
    -------
    str
        Words of the vocabulary and technical numbers only; empty when there are none.
        Cleaning a cleaned text changes nothing.

    Notes
    -----
    DICOM PS3.15 E.3.6, Clean Descriptors Option.
    """
    return _clean(text)


@lru_cache(maxsize=65536)
def _clean(text: str) -> str:
    return " ".join(clean_words(text))


def clean_words(text: str) -> list[str]:
    """Return the words of `clean_descriptor(text)`."""
    words = _words_of(text)
    # Words that stand side by side only now may be an idiom: `-c-c+c` is without, and both.
    return words if (cleaned := " ".join(words)) == text else clean_words(cleaned)


def _words_of(text: str) -> list[str]:
    # New texts are made of known parts: cut where nothing reaches across, each part is read once.
    words: list[str] = []
    for part in _SEAM.split(_normalise(text)):
        words += _words_of_part(part)
    return _without_initials(words)


@lru_cache(maxsize=65536)
def _words_of_part(part: str) -> tuple[str, ...]:
    if part.isascii() and part.isalpha():
        return _words_of_run(part)
    vocabulary = read_vocabulary()
    words: list[str] = []
    for match in _token_pattern().finditer(part):
        kind = match.lastgroup or ""
        if kind == "chain":
            continue  # a date, a time of day, a phone or record number
        if kind in ("word", "run"):
            words.extend(_words_of_run(match.group()))
        elif kind == "han":
            words.extend(_words_of_han(match.group()))
        elif kind == "phrase":
            words.extend(vocabulary.words[match.group()])
        else:
            words.append(_write_number(kind, match))
    return tuple(word for word in words if word)


def _normalise(text: str) -> str:
    if "\x1b" in text:
        text = _ESCAPE.sub(" ", text)
    folded = part_camel_case(text, _KnownRuns()).lower()
    if not folded.isascii():
        folded = unicodedata.normalize("NFKC", folded).lower().translate(_LETTERS_NFD_KEEPS)
        parts = unicodedata.normalize("NFD", folded)
        # Syllables of Korean fall apart as letters with accents do, and are put together again.
        bare = "".join(c for c in parts if unicodedata.category(c) != "Mn")
        folded = unicodedata.normalize("NFC", bare)
    return settle_idioms(folded, read_vocabulary().words)


class _KnownRuns:
    """The runs of letters that the vocabulary reads as they are, and units such as `kVp`."""

    def __contains__(self, run: object) -> bool:
        return isinstance(run, str) and (run in _UNIT_OF or bool(_words_of_run(run)))


def _without_initials(words: list[str]) -> list[str]:
    # Single letters mean water, fat or `with`; side by side they could be a person's initials.
    if min(map(len, words), default=2) > 1:
        return words
    last = len(words) - 1
    return [
        word
        for place, word in enumerate(words)
        if len(word) > 1
        or not word.isascii()
        or not (
            (place > 0 and _is_letter(words[place - 1]))
            or (place < last and _is_letter(words[place + 1]))
        )
    ]


def _is_letter(word: str) -> bool:
    return len(word) == 1 and word.isascii()


def _number(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _write_measure(match: re.Match[str]) -> str:
    return _number(match["measure_n"]) + _UNIT_OF[match["measure_u"]]


def _write_field(match: re.Match[str]) -> str:
    value = _number(match["field_n"])
    return f"{value}t" if value in _FIELD_STRENGTHS_T else ""


def _write_b_value(match: re.Match[str]) -> str:
    value = int(match["b_n"])
    plausible = value <= _HIGHEST_B_VALUE and value % (5 if value < 1000 else 50) == 0
    return f"b{value}" if plausible else ""


def _write_timing(match: re.Match[str]) -> str:
    return match["timing_p"] + match["timing_n"]


def _write_core(match: re.Match[str]) -> str:
    return match["core_p"] + match["core_d"]


def _write_kernel(match: re.Match[str]) -> str:
    return match["kernel_p"]


def _write_phase_count(match: re.Match[str]) -> str:
    return f"{match['count_n']}phase"


def _write_phase_number(match: re.Match[str]) -> str:
    return ("dyn" if match["phase_p"].startswith("dyn") else "ph") + match["phase_n"]


_FREE_LEFT = r"(?<![a-z0-9.])(?<![0-9][./:\-])"
_FREE_RIGHT = r"(?![a-z0-9])(?![./:\-][0-9])"
_PLAIN = r"(?:0|[1-9]\d{0,2})(?:\.\d{1,2})?"
_UNIT = "|".join(sorted((re.escape(unit) for unit in _UNIT_OF), key=len, reverse=True))
_NUMBER_FORMS: dict[str, _NumberForm] = {
    "measure": _NumberForm(
        rf"(?P<measure_n>{_PLAIN})\s?-?\s?(?P<measure_u>{_UNIT})(?![a-z0-9])", _write_measure
    ),
    "field": _NumberForm(r"(?P<field_n>\d(?:\.\d)?)\s?t(?![a-z0-9*])", _write_field),
    "count": _NumberForm(
        r"(?P<count_n>[1-9])\s?-?\s?(?:phases?|ph|mph)(?![a-z0-9])", _write_phase_count
    ),
    "b": _NumberForm(r"b\s?[=_\-]?\s?(?P<b_n>0|[1-9]\d{0,3})(?![a-z0-9])(?!\.\d)", _write_b_value),
    "timing": _NumberForm(
        rf"(?P<timing_p>te|tr|ti|fa)\s?[=_]?\s?(?P<timing_n>[1-9]\d{{0,2}}){_FREE_RIGHT}",
        _write_timing,
    ),
    "phase": _NumberForm(
        rf"(?P<phase_p>phase|ph|dynamic|dyn)\s?[_\-]?(?P<phase_n>[1-9]){_FREE_RIGHT}(?!\s?%)",
        _write_phase_number,
    ),
    "kernel": _NumberForm(
        r"(?P<kernel_p>(?:[bij][1-9]\d[fsh]|b[flrv][1-9]\d|fc\d\d))(?![a-z0-9])", _write_kernel
    ),
    "core": _NumberForm(
        r"(?P<core_p>t?fl|tse|tfi|spc|spcir|h|ep|epfid|re|gr|tirm?|fe|fase)(?P<core_d>[23]d)"
        r"(?:\d{1,3}[a-z]{0,2})?(?![a-z0-9])",
        _write_core,
    ),
}


#: Words that take the number behind them, and first letters of what takes the number before it.
_BEFORE_NUMBER = ("b", "te", "tr", "ti", "fa", "phase", "ph", "dyn", "dynamic")
_AFTER_NUMBER = "tmp" + "".join(sorted({unit[0] for unit in _UNIT_OF}))
_LETTER = r"a-z\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"
#: Separators that no phrase and no form of a number reaches across, nor looks across. The
#: first stands first in the pattern, so that the search passes all other characters.
_SEAM = re.compile(
    rf"[ _](?:(?<=[{_LETTER}][ _])[ _]*(?=[{_LETTER}])|(?<=[0-9]_)[ _]*(?=[{_LETTER}])"
    rf"|(?<=[0-9] )[ _]*(?=[{_LETTER}])(?![{_AFTER_NUMBER}])|(?<=[{_LETTER}][ _])"
    + "".join(f"(?<!{word}[ _])" for word in _BEFORE_NUMBER)
    + "[ _]*(?=[0-9]))"
)


def _write_number(kind: str, match: re.Match[str]) -> str:
    return _NUMBER_FORMS[kind].write(match)


@lru_cache(maxsize=1)
def _token_pattern() -> re.Pattern[str]:
    phrases = sorted(read_vocabulary().phrases, key=lambda phrase: (-len(phrase), phrase))
    # The innermost named groups close first, so the outermost one is `lastgroup`.
    # Most of a text is plain words; found first, they spare the search through all phrases.
    plain = r"(?P<word>(?<![a-z0-9+*/.\-])[a-z]{4,}(?![a-z0-9+*/.\-])(?![ _=]{1,2}\d))"
    parts = [plain, "(?P<phrase>" + "|".join(map(_phrase_pattern, phrases)) + ")"]
    parts.append(f"{_FREE_LEFT}(?:{_any_number().pattern})")
    parts.append(r"(?P<chain>(?<![a-z0-9])\d+(?:[/:\-]\d+|\.\d+\.\d+)+[a-z0-9.]*)")
    parts += [
        r"(?P<run>[a-z0-9]+(?:\.[0-9][a-z0-9]*)*)",
        r"(?P<han>[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]+)",
    ]
    return re.compile("|".join(parts))


@lru_cache(maxsize=1)
def _any_number() -> re.Pattern[str]:
    return re.compile(
        "|".join(f"(?P<{kind}>{form.pattern})" for kind, form in _NUMBER_FORMS.items())
    )


def _phrase_pattern(phrase: str) -> str:
    # The first character stands first, so that the search passes a place where it is another.
    first, rest = re.escape(phrase[0]), re.escape(phrase[1:])
    left = rf"(?<![a-z0-9]{first})" if phrase[0].isalnum() else ""
    if phrase[0] == "-":
        left = rf"(?<!\S{first})"
    right = ""
    if phrase[-1].isalnum() or phrase[-1] in "+*":
        right = "(?![a-z])" if "/" in phrase else "(?![a-z0-9])"
    if phrase[-1] == "-":
        right = r"(?!\S)"
    return first + left + rest + right


@lru_cache(maxsize=65536)
def _words_of_run(run: str) -> tuple[str, ...]:
    """Return the words of a run of Latin letters and digits."""
    vocabulary = read_vocabulary()
    if run in vocabulary.words:
        return vocabulary.words[run]
    covered = _cover(run, vocabulary)
    if covered is not None:
        return covered
    if run.isalpha():
        return ()
    words: list[str] = []
    for piece in re.findall(r"^t[12](?=[a-z])|[a-z]+|[0-9.]+", run):
        if piece in ("t1", "t2"):
            words.append(piece)
        elif len(piece) > 2 and piece not in vocabulary.name_like:
            words.extend(vocabulary.words.get(piece) or _cover(piece, vocabulary) or ())
    return tuple(words)


def _cover(run: str, vocabulary: Vocabulary) -> tuple[str, ...] | None:
    """Return the words that fill `run` to its last letter, longest first, or None."""
    if len(run) > _LONGEST_GLUED_RUN:
        return None
    if run.isalpha() and not (
        run[:2] in vocabulary.glue_starts and run[-2:] in vocabulary.glue_ends
    ):
        return None  # most unknown words are turned away here
    best: dict[int, tuple[str, ...] | None] = {len(run): ()}
    for start in range(len(run) - 1, -1, -1):
        best[start] = None
        for end in range(len(run), start + 1, -1):
            rest = best[end]
            words = _glued_words(run[start:end], vocabulary) if rest is not None else None
            if words and rest is not None:
                best[start] = (*words, *rest)
                break
    return best[0]


def _glued_words(piece: str, vocabulary: Vocabulary) -> tuple[str, ...] | None:
    if piece in vocabulary.glueable:
        return vocabulary.words[piece]
    match = None if piece.isalpha() else _any_number().fullmatch(piece)
    if match is None:
        return None
    written = _write_number(match.lastgroup or "", match)
    return (written,) if written else None


@lru_cache(maxsize=65536)
def _words_of_han(run: str) -> tuple[str, ...]:
    """Return the words of a run of Chinese, Japanese or Korean characters; the longest wins.

    A word that could be a given name stays only where the run holds nothing unknown beside
    it: of a surname with such a word nothing is left.
    """
    vocabulary = read_vocabulary()
    pieces: list[tuple[str, bool]] = []
    place = 0
    while place < len(run):
        longest = min(len(run), place + vocabulary.longest_han)
        for end in range(longest, place, -1):
            if run[place:end] in vocabulary.words:
                pieces.append((run[place:end], True))
                place = end
                break
        else:
            pieces.append((run[place], False))
            place += 1
    return tuple(
        word
        for index, (piece, known) in enumerate(pieces)
        if known and not (piece in vocabulary.name_like and _touches_unknown(pieces, index))
        for word in vocabulary.words[piece]
    )


def _touches_unknown(pieces: list[tuple[str, bool]], index: int) -> bool:
    return any(not known for _, known in pieces[max(0, index - 1) : index + 2])


def decode_descriptor(value: bytes, charset_label: str = "") -> str:
    """Return the reading of a description's bytes that has the most technique words.

    Parameters
    ----------
    value : bytes
        Value field as it stands in the header.
    charset_label : str
        SpecificCharacterSet (0008,0005), values joined by a backslash.

    Notes
    -----
    DICOM PS3.3 C.12.1.1.2, Specific Character Set.
    """
    return max(
        possible_texts(value, charset_label), key=lambda text: len(clean_descriptor(text).split())
    )
