"""How the tiles of a Siemens mosaic lie: from the CSA image header beside the pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

from schemas.dicom.header_scan import ScannedHeader
from schemas.dicom.siemens_csa import read_csa

SIEMENS_CSA_GROUP, SIEMENS_CSA_BLOCK, SIEMENS_CSA_IMAGE = 0x0029, b"SIEMENS CSA HEADER", 0x10
_SPACING_BETWEEN_SLICES = 0x00180088
_MAX_TILES = 4096


@dataclass(frozen=True)
class Mosaic:
    """Layout of a Siemens mosaic: tiles row by row, the first at the stack's first slice.

    `step_lps` leads from the centre of one slice to the next, in mm, DICOM LPS.
    """

    n_tiles: int
    step_lps: tuple[float, float, float]

    @property
    def n_across(self) -> int:
        """Tiles along each side of the square."""
        return math.ceil(math.sqrt(self.n_tiles))


def mosaic_layout(csa_image_header: bytes, spacing_mm: float) -> Mosaic:
    """Return the layout of one mosaic.

    Parameters
    ----------
    csa_image_header : bytes
        Value of (0029,xx10) of the block `SIEMENS CSA HEADER`.
    spacing_mm : float
        SpacingBetweenSlices (0018,0088).

    Raises
    ------
    ValueError, KeyError
        If they do not say how the tiles lie.
    """
    tags = read_csa(csa_image_header)
    n_tiles = int(tags["NumberOfImagesInMosaic"][0])
    x, y, z = (float(value) for value in tags["SliceNormalVector"])
    length = math.sqrt(x * x + y * y + z * z)
    if not (0 < n_tiles <= _MAX_TILES and spacing_mm > 0 and abs(length - 1) < 1e-2):
        raise ValueError("no usable mosaic layout")
    scale = spacing_mm / length
    return Mosaic(n_tiles, (x * scale, y * scale, z * scale))


def scanned_mosaic(header: ScannedHeader) -> Mosaic:
    """Return the layout from scanned bytes.

    Raises
    ------
    ValueError
        Where the full parser must judge the header.
    """
    tags = header.private.get(SIEMENS_CSA_GROUP, ())
    creators = [tag for tag in tags if tag & 0xFFFF < 0x100]
    blocks = [
        tag & 0xFF for tag in creators if header.element(tag)[1].strip(b" \0") == SIEMENS_CSA_BLOCK
    ]
    if len(blocks) != 1 or _SPACING_BETWEEN_SLICES not in header.places:
        raise ValueError("not one CSA header")
    place = SIEMENS_CSA_GROUP << 16 | blocks[0] << 8 | SIEMENS_CSA_IMAGE
    if place not in header.places or header.element(place)[0] not in ("", "OB", "UN"):
        raise ValueError("no CSA image header")
    _, spacing = header.element(_SPACING_BETWEEN_SLICES)
    try:
        return mosaic_layout(header.element(place)[1], float(spacing))
    except KeyError as error:
        raise ValueError("a CSA header without the layout") from error
