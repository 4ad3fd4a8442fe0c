"""Commands `mask import` and `mask export`: reference masks of lesions."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.cohort import release_folder
from flows.commands.console import HomeOption, JsonOption, say, say_json
from schemas.run.settings import apply_environment

mask_app = typer.Typer(help="Masks of lesions, in and out.", no_args_is_help=True)
LesionOption = Annotated[int, typer.Option(min=1, max=999, help="Number of the lesion.")]


@mask_app.callback()
def about() -> None:
    """Masks of lesions, in and out."""


@mask_app.command("import")
def import_(
    release: Annotated[str, typer.Argument(help="A version, `latest`, or a release folder.")],
    mask: Annotated[Path, typer.Argument(metavar="MASK", help="NIfTI, or DICOM SEG.")],
    lesion: LesionOption,
    volume: Annotated[
        str | None, typer.Option(help="`volume_id` that it lies on; a SEG names its series.")
    ] = None,
    label: Annotated[
        int | None, typer.Option(help="Value of the lesion, where the file has several.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="In place of the mask that the lesion has.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in the reference mask of a lesion; the next release publishes it.

    It must lie on the voxels of the volume, in whatever order they are stored: a mask on another
    grid is refused, never resampled. Of a SEG only pixels, geometry and the UID of its series are
    read.

    Example: livercohort mask import latest drawn.nii.gz --lesion 1 --volume 0123456789abcdef
    """
    from dataclasses import asdict

    from flows.withdrawals import last_look, nobody_withdraws
    from schemas.vault.keys import Purpose, read_key_file
    from tasks.masks.store import import_mask

    settings = apply_environment(home=home)
    ring = read_key_file(settings.master_key_file)
    folder = release_folder(settings, release)
    with nobody_withdraws(settings.zones) as still:
        taken = import_mask(
            settings.zones, folder, mask, lesion,
            volume_id=volume, label=label, replace=replace,
            map_uid=ring.uid, keyed=partial(ring.keyed_digest, purpose=Purpose.MASK),
            at_last=last_look(settings, still),
        )  # fmt: skip
    if as_json:
        say_json(asdict(taken))
        return
    there = "" if taken.new else " (was there already)"
    say(f"lesion {taken.lesion_no} of {taken.subject_id}: {taken.voxels} voxels{there}")
    say("The next release publishes it: livercohort release")


@mask_app.command("export")
def export(
    release: Annotated[str, typer.Argument(help="A version, `latest`, or a release folder.")],
    target: Annotated[Path, typer.Argument(metavar="OUT.dcm", help="A new file.")],
    lesion: LesionOption,
    volume: Annotated[str, typer.Option(help="`volume_id`: `mask_volume_id` of the lesion.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a mask of a release as DICOM SEG that references the de-identified objects.

    Example: livercohort mask export latest lesion.dcm --lesion 1 --volume 0123456789abcdef
    """
    from flows.withdrawals import last_look, nobody_withdraws
    from tasks.masks.store import export_segmentation

    settings = apply_environment(home=home)
    folder = release_folder(settings, release)
    with nobody_withdraws(settings.zones) as still:
        frames = export_segmentation(
            settings.zones, folder, volume, lesion, target,
            at_last=last_look(settings, still),
        )  # fmt: skip
    if as_json:
        say_json({"path": str(target), "frames": frames})
        return
    say(f"{target}: {frames} frames of lesion {lesion}")
