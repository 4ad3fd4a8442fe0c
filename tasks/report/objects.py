"""The series a finding is about, as a person knows it: its title, and its picture. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.report.model import Cohort
from tasks.report.picture_plan import title_of
from tasks.report.tables import VolumePictures
from tasks.report.worklist import KEY_PARTS


@dataclass(frozen=True)
class ShownSeries:
    """A series: its title, its picture (empty where it has none), its place on its page."""

    title: str
    mosaic: str
    digest: str


def series_of_objects(
    cohort: Cohort, pictures: Mapping[str, VolumePictures]
) -> dict[str, ShownSeries]:
    """Return series by what findings call them: the sub-stack, or its volume."""
    found: dict[str, ShownSeries] = {}
    for one in cohort.series:
        drawn = pictures.get(one.sub_stack_digest)
        found[one.sub_stack_digest] = ShownSeries(
            title_of(one), drawn.mosaic if drawn else "", one.sub_stack_digest
        )
    for volume in cohort.volumes:
        if volume.sub_stack_digest in found:
            found[volume.volume_id] = found[volume.sub_stack_digest]
    return found


def find_series(object_id: str, series: Mapping[str, ShownSeries]) -> ShownSeries | None:
    """Return the series of an object's key; the first part that is known decides."""
    parts = (object_id, *KEY_PARTS.split(object_id))
    return next((series[part] for part in parts if part in series), None)
