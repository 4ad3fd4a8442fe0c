"""Transfer syntaxes that can be proven, and whether compressed pixel data is whole."""

from __future__ import annotations

# Transfer syntax UIDs (PS3.6 table A-1), as text: nothing here needs pydicom loaded.
IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
RLE_LOSSLESS = "1.2.840.10008.1.2.5"
NATIVE = (IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN)
#: The lossy ones of these decode to the same integers in every conforming decoder; baseline
#: JPEG does not (PS3.5 8.2.1 leaves the inverse transform to the decoder), so nothing could
#: be proven of it.
_CODESTREAMS = (
    "1.2.840.10008.1.2.4.57",  # JPEG lossless
    "1.2.840.10008.1.2.4.70",  # JPEG lossless, first-order prediction
    "1.2.840.10008.1.2.4.80",  # JPEG-LS lossless
    "1.2.840.10008.1.2.4.81",  # JPEG-LS near-lossless
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 lossless
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
)
PROVABLE = (*NATIVE, DEFLATED, RLE_LOSSLESS, *_CODESTREAMS)

#: JPEG, JPEG-LS and JPEG 2000 all end a codestream with the same marker.
_END_OF_CODESTREAM = b"\xff\xd9"


def ends_too_early(value: bytes, syntax: str, n_frames: int) -> bool:
    """Return whether encapsulated pixel data lacks a frame or the end of one.

    Decoders make a picture of a codestream that was cut off, and two that share a library
    make the same one: comparing pixels does not show it.

    Parameters
    ----------
    value : bytes
        The value of PixelData: basic offset table and fragments.
    syntax : str
        Transfer syntax UID.
    n_frames : int
        As the header states.

    Notes
    -----
    DICOM PS3.5 A.4; ITU-T T.81 B.1.1.3, T.87 C.1.1 and T.800 A.2 (end marker).
    """
    from pydicom.encaps import generate_frames

    try:
        frames = list(generate_frames(value, number_of_frames=n_frames))
    except (ValueError, EOFError, IndexError):
        return True
    if len(frames) < n_frames:
        return True
    if syntax not in _CODESTREAMS:
        return False
    return not all(frame.rstrip(b"\0").endswith(_END_OF_CODESTREAM) for frame in frames)
