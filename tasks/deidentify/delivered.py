"""Harvest what the delivered header says of values and geometry, before it is rewritten."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from pydicom.datadict import tag_for_keyword

from schemas.dicom.delivered_facts import DeliveredFacts
from schemas.dicom.elements import Encoding, Header, RawElement, scan_items, vr_from_dictionary
from schemas.dicom.number_texts import BINARY_CODES, read_numbers, unpack_numbers
from schemas.record_copies import Altered
from tasks.deidentify.plan.plan_private import private_creators

_Item = Mapping[int, RawElement]
_Numbers = tuple[float, ...]
_SHARED, _PER_FRAME = 0x52009229, 0x52009230
_GE_OFFSET = 1e9


def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return tag


class _Place(NamedTuple):
    """Where a number of a frame stands: the sequence of its macro, and the attribute in it."""

    macro: int
    tag: int


class _Private(NamedTuple):
    """Where a vendor keeps a number: creator, group and place in the block, and its VR."""

    creator: str
    group: int
    element: int
    vr: str


def _tags(**keywords: str) -> dict[str, int]:
    return {name: _tag(keyword) for name, keyword in keywords.items()}


_SINGLE = _tags(
    rescale_slope="RescaleSlope",
    rescale_intercept="RescaleIntercept",
    slice_thickness_mm="SliceThickness",
    spacing_between_slices_mm="SpacingBetweenSlices",
    echo_time_ms="EchoTime",
    trigger_time_ms="TriggerTime",
    b_value="DiffusionBValue",
)
_WHOLE = _tags(
    rows="Rows",
    columns="Columns",
    number_of_frames="NumberOfFrames",
    bits_allocated="BitsAllocated",
    bits_stored="BitsStored",
    high_bit="HighBit",
    pixel_representation="PixelRepresentation",
    temporal_position="TemporalPositionIdentifier",
    acquisition_number="AcquisitionNumber",
    instance_number="InstanceNumber",
)
_SEVERAL = _tags(
    pixel_spacing_mm="PixelSpacing",
    position_lps="ImagePositionPatient",
    orientation_lps="ImageOrientationPatient",
    gradient="DiffusionGradientOrientation",
)
_MODALITY_LUT, _MAPPINGS = _tag("ModalityLUTSequence"), _tag("RealWorldValueMappingSequence")
_MAPPED = (_tag("RealWorldValueSlope"), _tag("RealWorldValueIntercept"))
_B_VALUES = (
    _Private("SIEMENS MR HEADER", 0x0019, 0x0C, "IS"),
    _Private("GEMS_PARM_01", 0x0043, 0x39, "IS"),
    _Private("Philips Imaging DD 001", 0x2001, 0x03, "FL"),
    _Private("Image Private Header", 0x0065, 0x09, "FD"),
)
_GRADIENTS = (
    (_Private("SIEMENS MR HEADER", 0x0019, 0x0E, "FD"),),
    tuple(_Private("GEMS_ACQU_01", 0x0019, e, "DS") for e in (0xBB, 0xBC, 0xBD)),
    tuple(_Private("Philips MR Imaging DD 001", 0x2005, e, "FL") for e in (0xB0, 0xB1, 0xB2)),
    (_Private("Image Private Header", 0x0065, 0x37, "FD"),),
)
_PHILIPS = "Philips MR Imaging DD 001"
_SCALE = {
    "scale_slope": _Private(_PHILIPS, 0x2005, 0x0E, "FL"),
    "scale_intercept": _Private(_PHILIPS, 0x2005, 0x0D, "FL"),
}
_TILES = (
    _Private("SIEMENS MR HEADER", 0x0019, 0x0A, "US"),
    _Private("Image Private Header", 0x0065, 0x50, "DS"),
)
_UIH_FRAMES = _Private("Image Private Header", 0x0065, 0x51, "SQ")
_FRAMES = {
    name: (_Place(_tag(macro), _tag(keyword)), count)
    for name, macro, keyword, count in (
        ("frame_positions_lps", "PlanePositionSequence", "ImagePositionPatient", 3),
        ("frame_orientations_lps", "PlaneOrientationSequence", "ImageOrientationPatient", 6),
        ("frame_pixel_spacings_mm", "PixelMeasuresSequence", "PixelSpacing", 2),
        ("frame_slopes", "PixelValueTransformationSequence", "RescaleSlope", 1),
        ("frame_intercepts", "PixelValueTransformationSequence", "RescaleIntercept", 1),
        ("frame_b_values", "MRDiffusionSequence", "DiffusionBValue", 1),
        ("frame_echo_times_ms", "MREchoSequence", "EffectiveEchoTime", 1),
    )
}
_DIFFUSION, _DIRECTIONS = _tag("MRDiffusionSequence"), _tag("DiffusionGradientDirectionSequence")
_OF_TAG = {tag: name for fields in (_SINGLE, _WHOLE, _SEVERAL) for name, tag in fields.items()}
_PUBLIC_DIFFUSION = {"b_value": _SINGLE["b_value"], "gradient": _SEVERAL["gradient"]}
#: Private attributes that are read, without their block, and those they stand in for.
_PRIVATE_OR_INSTEAD = frozenset(
    p.group << 16 | p.element for p in (*_B_VALUES, *_TILES, *_SCALE.values(), *sum(_GRADIENTS, ()))
) | {tag & 0xFFFF00FF for tag in _PUBLIC_DIFFUSION.values()}


def harvest_facts(
    header: Header, sop_uid: str, creators: Mapping[int, str] | None = None
) -> DeliveredFacts:
    """Return the deciding numbers of a delivered header.

    Parameters
    ----------
    header : Header
        The file as it was scanned.
    sop_uid : str
        The UID the object has from now on.
    creators : mapping, optional
        The private creators of the data set by their tags, where they are known.
    """
    read = _Reader(header.elements, header.encoding, creators)
    values: dict[str, Any] = {name: read.of_tag(tag) for tag, name in _OF_TAG.items()}
    values |= _private_values(read, values)
    values |= _frame_values(read)
    mapping = read.items(_MAPPINGS)
    mapped = [_Reader(mapping[0], read.encoding).numbers(t) for t in _MAPPED] if mapping else []
    whole = len(mapping) == 1 and all(len(m) == 1 for m in mapped)
    return DeliveredFacts(
        sop_uid=sop_uid,
        has_modality_lut=_MODALITY_LUT in header.elements,
        real_world=tuple(m[0] for m in mapped) if whole else (),
        **values,
    )


class Differing(NamedTuple):
    """Which facts may differ between two files that differ in some top-level elements."""

    every: bool
    tags: tuple[int, ...]
    private: bool


def facts_of_tags(tags: Collection[int]) -> Differing:
    """Return what has to be read again where these elements differ."""
    return Differing(
        every=not {_MODALITY_LUT, _MAPPINGS}.isdisjoint(tags),
        tags=tuple(tag for tag in tags if tag in _OF_TAG),
        private=not _PRIVATE_OR_INSTEAD.isdisjoint(tag & 0xFFFF00FF for tag in tags),
    )


def reread_facts(
    known: DeliveredFacts,
    header: Header,
    differing: Differing,
    sop_uid: str,
    creators: Mapping[int, str],
) -> Altered[DeliveredFacts]:
    """Return the facts of a file that differs from a known one in some top-level elements.

    Parameters
    ----------
    known : DeliveredFacts
        Those of a single-frame file of the same series.
    header : Header
        The file's own, the elements it shares with the known one among them.
    differing : Differing
        Which facts may differ.
    sop_uid : str
        The UID the object has from now on.
    creators : mapping
        The private creators of the data set by their tags.
    """
    if differing.every:
        return Altered(harvest_facts(header, sop_uid, creators))
    read = _Reader(header.elements, header.encoding, creators)
    values: dict[str, Any] = {_OF_TAG[tag]: read.of_tag(tag) for tag in differing.tags}
    if differing.private:
        values |= {name: read.of_tag(tag) for name, tag in _PUBLIC_DIFFUSION.items()}
        values |= _private_values(read, values)
    return Altered(known, {"sop_uid": sop_uid, **values})


class _Reader:
    """Reads numbers of a data set or an item, under whatever VR they come."""

    def __init__(
        self, elements: _Item, encoding: Encoding, creators: Mapping[int, str] | None = None
    ) -> None:
        self.elements = elements
        self.encoding = encoding
        self._creators = creators

    def numbers(self, tag: int, vr: str = "") -> _Numbers:
        element = self.elements.get(tag)
        return () if element is None else _numbers(element, vr, self.encoding)

    def of_tag(self, tag: int) -> Any:
        """Return the value of a field as its record has it."""
        numbers = self.numbers(tag)
        name = _OF_TAG[tag]
        if name in _SEVERAL:
            return numbers
        if len(numbers) != 1 or (name in _WHOLE and numbers[0] != int(numbers[0])):
            return None
        return int(numbers[0]) if name in _WHOLE else numbers[0]

    def private(self, place: _Private) -> _Numbers:
        element = self.private_element(place)
        return () if element is None else _numbers(element, place.vr, self.encoding)

    def private_element(self, place: _Private) -> RawElement | None:
        if self._creators is None:
            self._creators = private_creators(self.elements)
        for tag, creator in self._creators.items():
            if creator == place.creator and tag >> 16 == place.group:
                found = self.elements.get(tag >> 16 << 16 | (tag & 0xFF) << 8 | place.element)
                if found is not None:
                    return found
        return None

    def items(self, tag: int) -> list[_Item]:
        return _items_of(self.elements.get(tag))


def _items_of(element: RawElement | None) -> list[_Item]:
    if element is None:
        return []
    items = element.items if element.items is not None else scan_items(element.value)
    return [{e.tag: e for e in item} for item in items or ()]


def _numbers(element: RawElement, vr: str, encoding: Encoding) -> _Numbers:
    silent = element.vr in (None, "UN")
    read_as = (vr or vr_from_dictionary(element.tag)) if silent else str(element.vr)
    if read_as in BINARY_CODES:
        found = unpack_numbers(read_as, element.value, little=encoding.little)
    else:
        found = read_numbers(element.value)
    return found or ()


def _private_values(read: _Reader, public: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {name: _first(read.private(place)) for name, place in _SCALE.items()}
    tiles = _first(next(filter(None, map(read.private, _TILES)), ()))
    values["tiles"] = None if tiles is None else int(tiles)
    if public.get("b_value") is None:
        values["b_value"] = _private_b_value(read)
    if not public.get("gradient"):
        parts = (sum(map(read.private, places), ()) for places in _GRADIENTS)
        values["gradient"] = next((p for p in parts if len(p) == 3), ())
    return values


def _private_b_value(read: _Reader) -> float | None:
    for place in _B_VALUES:
        found = _first(read.private(place))
        if found is not None and found >= 0:
            return found % _GE_OFFSET if place.group == 0x0043 else found
    return None


def _first(numbers: _Numbers) -> float | None:
    return numbers[0] if numbers else None


def _frame_values(read: _Reader) -> dict[str, _Numbers]:
    frames = read.items(_PER_FRAME)
    if not frames:
        return _grid_values(read)
    shared = next(iter(read.items(_SHARED)), {})
    values = {
        name: _column(frames, shared, partial(_of_macro, place=place, read=read), count)
        for name, (place, count) in _FRAMES.items()
    }
    directions = partial(_direction_of, read=read)
    values["frame_gradients_lps"] = _column(frames, shared, directions, 3)
    return values


def _column(
    frames: Iterable[_Item], shared: _Item, find: Callable[[_Item], _Numbers], count: int
) -> _Numbers:
    default = find(shared)
    found = [find(frame) or default for frame in frames]
    whole = all(len(numbers) == count for numbers in found)
    return tuple(n for numbers in found for n in numbers) if whole else ()


def _of_macro(item: _Item, place: _Place, read: _Reader) -> _Numbers:
    inside = _items_of(item.get(place.macro))
    return _Reader(inside[0], read.encoding).numbers(place.tag) if inside else ()


def _direction_of(item: _Item, read: _Reader) -> _Numbers:
    diffusion = _items_of(item.get(_DIFFUSION))
    directions = _items_of(diffusion[0].get(_DIRECTIONS)) if diffusion else []
    if not directions:
        return ()
    return _Reader(directions[0], read.encoding).numbers(_SEVERAL["gradient"])


def _grid_values(read: _Reader) -> dict[str, _Numbers]:
    items = _items_of(read.private_element(_UIH_FRAMES))
    positions = [_Reader(i, read.encoding).numbers(_SEVERAL["position_lps"]) for i in items]
    whole = all(len(p) == 3 for p in positions)
    return {"frame_positions_lps": tuple(n for p in positions for n in p) if whole else ()}
