"""The Han characters of the invented names, each as a few straight strokes.

A stroke is a chain of points, a point two hexadecimal digits: x from left, y from top, 0 to b.
They are drawn to be read at 12 pixels and up, not to be beautiful.
"""

from __future__ import annotations

import itertools

_STROKES = {
    "欧": "0151 010b 0b5b 1348 4318 8063 62b2a4 945b 95bb",
    "阳": "000b 0030 3034 3404 3438 3808 51b1bb5b51 56b6",
    "诸": "1021 0323232a39 52a2 7174 44b4 a146 56a6ab5b56 58a8",
    "葛": "01b1 3032 8082 3383873733 3585 371a 38a8ab8b 49597b",
    "贺": "01514534 2005 71b1b57571 26969a 262a 666a 6a2b 7a9b",
    "薛": "01b1 3032 8082 3325 2555582825 28585b2b28 8283 64b4 7576 a596 67b7 69b9 878b",
    "傅": "2005 232b 41b1 43a3a74743 45a5 7078 a0b1 48b8 979b8b 596a",
    "沈": "0011 0314 0b26 3335 33b3b5 7076 764b 767abab8",
    "韩": "0151 3033 1353571713 1555 0959 373b 61b1 63b3 65b5b8a8 808b",
    "唐": "6061 12b2 120b 34a4a838 36b6 6368 49999b4b49",
    "秦": "2191 1393 05b5 6008 66b8 7647 28a8 575b 580b 68bb",
    "尹": "2191 9196 04b4 2696 51561b",
    "邵": "01515434 3104 16565a1a16 707b 70b0b4 74b4 b4b8 b878",
    "孟": "2080 8053 535636 03b3 1797 171b 979b 474b 676b 0bbb",
    "段": "5021 212b 2454 2757 0b5a 7063 70a0a3b4 65a5 a56b 65bb",
    "钱": "2004 1343 1545 0848 252b4a 52b1 55b4 7076aab9 a769 90a1",
    "汤": "0011 0314 0b26 41a1 a145 45b5 b59b 754a 956b",
    "黎": "2040 0242 3036 3205 3254 7062 72b2b598 9364 676b5b 1738 1b5a 97a6 78ab",
    "明": "0141490901 0545 61685b 61b1ba9b 64b4 67b7",
    "远": "1021 0535 3538 380a 0abb 51a1 44b4 6448 8488b8b6",
    "淑": "0011 0314 0b26 5055 5373 3575 555b4b 4739 6779 82b2 b27b 83bb",
    "珍": "0151 0555 0a5a 313a 8054 80b4 9366 a668 b85b",
    "国": "00b0bb0b00 3383 3686 2999 6369 7788",
    "栋": "0353 202b 2307 2457 61b1 8065 65b5 858b7b 7759 97b9",
    "丽": "01b1 030b 03434b3b 1527 737b 73b3bbab 8597",
    "华": "3006 2326 6066b6b4 a263 09b9 686b",
    "志": "02b2 6065 25a5 180a 383b9b98 6768 97a9",
    "强": "0040 4044 0444 0408 0848 484b2b 60a0a36360 54b4b75754 838a 5aaa 99bb",
    "春": "2191 1393 05b5 6006 66b9 37878b3b37 3989",
    "燕": "01b1 3032 8082 4373774743 2327 0525 0727 9397b7 b494 090b 394b 697b 99ab",
    "建": "51a1a5 43b3 55a5 47a7 49b9 707a 013114340b 163abb",
    "业": "404a 707a 0bbb 1328 a398",
    "玉": "11a1 15a5 0bbb 616b 7788",
    "兰": "3042 8072 14a4 2797 0bbb",
    "宏": "6061 0402b2b4 15a5 530b 674a9a 89ab",
    "伟": "2005 232b 52b2 54b4 57b7b9a9 808b",
    "慧": "0151 0353 0555 3035 61b1 63b3 65b5 8085 26969828 1797 1a0b 3a3b9b9a 6a6b",
    "敏": "2003 1252 1454 1409 0959 545b 0656 3537 7064 72b2 a26b 65bb",
    "永": "5061 3363 636b5b 0535 350a b275 76bb",
    "康": "6061 12b2 120b 44a4a8 36b6 48a8 636b5b 3849 3b5a a888 89bb",
    "雪": "20a0 0402b2b4 6066 3344 3546 8394 8596 27a7ab2b 29a9",
    "梅": "0343 202b 2306 2446 7053 62b2 64a4 6459 47b7 59a9 a4ab 7576",
    "文": "5061 02b2 820b 22bb",
    "博": "0343 202b 51b1 53a3a75753 55a5 7078 a0b1 48b8 989b8b 596a",
    "桂": "0343 202b 2306 2446 61b1 8084 54b4 67b7 858b 5bbb",
    "芳": "01b1 3032 8082 5354 05b5 45470b 4797 979a7b",
    "德": "3002 3306 252b 51b1 8073 44b4b74744 6467 8487 48b8 594b 696baba9 8889",
    "胜": "00404b3b 00080b 0444 0747 6064 62b2 808b 66b6 5bbb",
    "婉": "2017 174b 430b 0343 8081 5351b1b3 6348 6484 8449 94b4b7 949abab9",
    "清": "0011 0314 0b26 51a1 53a3 45b5 8085 575b 57a7ab9b 59a9",
}  # fmt: skip

Segment = tuple[float, float, float, float]
HAN = frozenset(_STROKES)


def strokes_of(character: str) -> list[Segment]:
    """Return the strokes as segments (x, y, x, y) in a box of 12 by 12."""
    segments: list[Segment] = []
    for chain in _STROKES[character].split():
        digits = [float(int(digit, 16)) for digit in chain]
        points = list(zip(digits[::2], digits[1::2], strict=True))
        segments += [(*a, *b) for a, b in itertools.pairwise(points)]
    return segments
