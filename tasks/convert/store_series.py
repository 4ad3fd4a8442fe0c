"""Convert one series on disk: plan, convert, prove, compress, publish each of its parts."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path

from schemas.dicom.delivered_facts import DeliveredFacts
from schemas.dicom.features import InstanceFeatures
from schemas.dicom.sub_stacks import SubStack, split_series
from schemas.records import VolumeRecord
from schemas.run.atomic_files import canonical_json, sha256_of_bytes, sha256_of_file
from tasks.convert.codes import Code, ConversionVerdict
from tasks.convert.counts import NOTHING_STATED, StatedCounts
from tasks.convert.handover import needs_rewriting
from tasks.convert.plan import plan_series
from tasks.convert.proof import prove, scaling_of
from tasks.convert.source import PixelFacts
from tasks.convert.store_binary import find_binary, flags_text
from tasks.convert.store_converter import (
    Run,
    cache_key,
    needs_precise_scaling,
    read_converted,
    run_dcm2niix,
)
from tasks.convert.store_outputs import describe, has_provenance, publish_volume, read_unchanged
from tasks.convert.store_source import (
    KnownFile,
    SourceReader,
    UndecodableError,
    read_member_facts,
    undecodable_members,
)
from tasks.convert.verdict import Fault, StackPlan, verdict_of

DEFAULT_TIMEOUT_S = 900.0
#: A hang must not cost the longest time a large series may need.
_BASE_TIME_S = 18.0
_BYTES_PER_S = 5e6
#: Two decoders take some 120 ms for a plane of 512 x 512 in JPEG 2000.
_PLANES_PER_S = 8.0
_DELIVERED = tuple(column.name for column in fields(DeliveredFacts))


@dataclass(frozen=True)
class SeriesJob:
    """One series to convert: file of each SOPInstanceUID, features, where volumes go.

    `known` is what reading the headers already told of the files, `delivered` what their
    headers said before they were rewritten, both by SOPInstanceUID.
    """

    paths: Mapping[str, Path]
    features: tuple[InstanceFeatures, ...]
    out_dir: Path
    stated: StatedCounts = NOTHING_STATED
    known: Mapping[str, KnownFile] = field(default_factory=dict)
    delivered: Mapping[str, DeliveredFacts] = field(default_factory=dict)

    @cached_property
    def stacks(self) -> list[SubStack]:
        """Return the sub-stacks of the series."""
        return split_series(self.features)

    @cached_property
    def n_bytes(self) -> int:
        """Return the size of its files."""
        return size_of(self.paths.values())


def convert_series(
    paths: Mapping[str, Path],
    features: Sequence[InstanceFeatures],
    out_dir: Path,
    scratch: Path,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    *,
    stated: StatedCounts = NOTHING_STATED,
    only: str | None = None,
    known_files: Mapping[str, KnownFile] | None = None,
    delivered: Mapping[str, DeliveredFacts] | None = None,
    stacks: Sequence[SubStack] | None = None,
) -> list[VolumeRecord]:
    """Convert one series; every sub-stack gives one record, published or not.

    Parameters
    ----------
    paths : mapping of SOPInstanceUID to Path
        The file of each instance.
    features : sequence of InstanceFeatures
        The instances of one series, any order; each has a SOPInstanceUID.
    out_dir : Path
        Takes `<digest>.nii.gz`, `.json`, `.provenance.json` and, for diffusion, `.bval` and
        `.bvec`. A volume whose inputs, converter and flags are unchanged is kept as it is.
    scratch : Path
        A folder on a disk with room for the uncompressed series; left as found.
    timeout_s : float
        Longest wall time of one run of the converter; less for small series.
    stated : StatedCounts
        What the delivery says of the number of instances of the series.
    only : str, optional
        Digest of the one sub-stack to convert; no file of the others is opened.
    known_files : mapping of SOPInstanceUID to KnownFile, optional
        What reading the headers already told.
    delivered : mapping of SOPInstanceUID to DeliveredFacts, optional
        What the headers said before they were rewritten.
    stacks : sequence of SubStack, optional
        What `split_series` gives, where it was asked before.

    Returns
    -------
    list of VolumeRecord
        Sorted by digest.
    """
    files = _Files(paths, known_files or {}, delivered or {})
    stacks = split_series(features) if stacks is None else stacks
    wanted = [stack for stack in stacks if only in (None, stack.digest)]
    found = {stack.digest: _known_record(stack, files, out_dir) for stack in wanted}
    known = {digest: record for digest, record in found.items() if record is not None}
    unknown = [stack for stack in wanted if stack.digest not in known]
    members = [m for stack in unknown for m in stack.members]
    facts = read_member_facts(members, files.paths, files.known)
    settled = {stack.digest for stack in stacks} - {stack.digest for stack in unknown}
    records = []
    for plan in plan_series(
        stacks, facts, proven=settled, stated=stated, delivered=files.delivered
    ):
        if only not in (None, plan.stack.digest):
            continue
        record = known.get(plan.stack.digest)
        if plan.verdict is ConversionVerdict.QUARANTINE or record is None:
            record = _convert_or_fail(plan, facts, files, out_dir, scratch, timeout_s)
        records.append(record)
    return sorted(records, key=lambda record: record.sub_stack_digest)


def _convert_or_fail(
    plan: StackPlan,
    facts: Mapping[str, PixelFacts],
    files: _Files,
    out_dir: Path,
    scratch: Path,
    timeout_s: float,
) -> VolumeRecord:
    try:
        with fresh_folder(scratch) as folder:
            return _convert_stack(plan, facts, files, out_dir, folder, timeout_s)
    except Exception:
        # One sub-stack never takes the others with it; the message may quote a header.
        return failed_record(plan.stack, Code.WORKER_FAILED)


def _known_record(stack: SubStack, files: _Files, out_dir: Path) -> VolumeRecord | None:
    if not has_provenance(out_dir, stack):
        return None
    try:
        return read_unchanged(out_dir, stack, _cache_key(stack, files))
    except (OSError, KeyError):
        # An input that is gone or unreadable is for the plan to name.
        return None


@dataclass(frozen=True)
class _Files:
    paths: Mapping[str, Path]
    known: Mapping[str, KnownFile]
    delivered: Mapping[str, DeliveredFacts]

    def sha256(self, uid: str) -> str:
        known = self.known.get(uid)
        return str(sha256_of_file(self.paths[uid]) if known is None else known.sha256)


def _cache_key(stack: SubStack, files: _Files) -> str:
    uids = sorted({m.sop_uid or "" for m in stack.members})
    inputs = {uid: files.sha256(uid) for uid in uids}
    # Their fields are plain values: `asdict` would copy each of them.
    said = [
        {name: getattr(files.delivered[uid], name) for name in _DELIVERED}
        for uid in uids
        if uid in files.delivered
    ]
    return sha256_of_bytes(canonical_json({**cache_key(stack.digest, inputs), "delivered": said}))


def time_limit_s(n_bytes: int, n_planes: int, timeout_s: float) -> float:
    """Return how long a sub-stack may take: by its bytes and planes, at most `timeout_s`."""
    return min(timeout_s, _BASE_TIME_S + n_bytes / _BYTES_PER_S + n_planes / _PLANES_PER_S)


def size_of(files: Iterable[Path]) -> int:
    """Return the size in bytes of the files that are there, together."""
    total = 0
    for file in files:
        with suppress(OSError, ValueError):
            found = os.stat(file)  # noqa: PTH116 - a third of what the method costs
            total += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return total


@contextmanager
def fresh_folder(scratch: Path) -> Iterator[Path]:
    """Give an empty folder below `scratch` that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(dir=scratch, prefix="convert-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def failed_record(stack: SubStack, code: Code) -> VolumeRecord:
    """Return the record of a sub-stack set aside for one reason that names no instance."""
    return _record(stack, (Fault(code),))


def _record(stack: SubStack, faults: Sequence[Fault], run: Run | None = None) -> VolumeRecord:
    binary = find_binary()
    return VolumeRecord(
        subject_id=stack.members[0].subject_id,
        study_uid=stack.members[0].study_uid,
        series_uid=stack.series_uid,
        sub_stack_digest=stack.digest,
        verdict=verdict_of(fault.code for fault in faults).value,
        codes=tuple(sorted({fault.code.value for fault in faults})),
        instances_at_fault=tuple(sorted({uid for fault in faults for uid in fault.instances})),
        split_by=stack.split_by,
        n_instances=len({m.sop_uid for m in stack.members}),
        converter_version=binary.version,
        converter_sha256=binary.sha256,
        converter_flags=run.flags if run else flags_text(),
        exit_code=run.exit_code if run else None,
    )


def _sources(
    stack: SubStack,
    facts: Mapping[str, PixelFacts],
    paths: Mapping[str, Path],
    folder: Path,
    reader: SourceReader,
) -> list[Path]:
    """Return the files for the converter: the delivered ones unless they must be rewritten."""
    if not needs_rewriting(stack, facts):
        return list(dict.fromkeys(paths[m.sop_uid or ""] for m in stack.members))
    # Only this needs pydicom, which takes long to load.
    from tasks.convert.store_rewrite import prepare_sources

    return prepare_sources(stack, facts, paths, folder, reader)


def _convert_stack(
    plan: StackPlan,
    facts: Mapping[str, PixelFacts],
    files: _Files,
    out_dir: Path,
    scratch: Path,
    timeout_s: float,
) -> VolumeRecord:
    stack = plan.stack
    if plan.verdict is ConversionVerdict.QUARANTINE:
        return _record(stack, plan.faults)
    key = _cache_key(stack, files)
    paths = files.paths
    reader = SourceReader(stack, facts, paths)
    own = {paths[m.sop_uid or ""] for m in stack.members}
    try:
        sources = _sources(stack, facts, paths, scratch / "rewritten", reader)
        run = run_dcm2niix(
            sources,
            scratch,
            timeout_s=time_limit_s(size_of(own), len(stack.members), timeout_s),
            precise=needs_precise_scaling(stack, facts),
        )
        if run.nifti is None:
            # Compressed pixels that nobody can decode are the likeliest cause: name them.
            lost = undecodable_members(stack, facts, reader)
            named = [Fault(Code.UNDECODABLE, lost)] if lost else []
            return _record(stack, (*plan.faults, *named, *run.faults), run)
        converted = read_converted(run.nifti)
        proof = prove(stack, facts, converted, reader)
    except UndecodableError as error:
        return _record(stack, (*plan.faults, Fault(Code.UNDECODABLE, (error.sop_uid,))))
    except ValueError:
        return _record(stack, (*plan.faults, Fault(Code.CONVERTER_FAILED)))
    record = _record(stack, (*plan.faults, *proof.faults), run)
    if record.verdict == ConversionVerdict.QUARANTINE:
        return record
    record = describe(record, converted, proof)
    scaling = scaling_of(stack, facts)
    return publish_volume(record, stack, proof, run, out_dir, key=key, scaling=scaling)
