"""What would be set aside of an export and why: a page in Chinese and English. Pure.

It names files and rows as the sender knows them, so it is for the sender and for the restricted
zone alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from schemas.finding_texts import FindingText
from schemas.records import Finding
from schemas.states import REASONS, FileState, ReasonCode, Severity

_PATHS_SHOWN = 20
_FINDINGS_SHOWN = 200
_STATES_ZH = {
    FileState.ACCEPTED: "接收",
    FileState.QUARANTINED: "隔离",
    FileState.DUPLICATE: "重复",
    FileState.CLINICAL: "表单",
    FileState.CONTROL: "控制文件",
}


@dataclass(frozen=True)
class Rehearsed:
    """What reading an export found (restricted: paths are the sender's).

    `states` counts every file once; `aside` has the paths of each reason; `absent` are paths that
    the manifest lists and that are not there; `has_linkage` whether any file says who is who.
    """

    states: Mapping[FileState, int]
    aside: Mapping[ReasonCode, Sequence[str]] = field(repr=False)
    findings: Sequence[Finding] = ()
    absent: Sequence[str] = field(default=(), repr=False)
    has_linkage: bool = True

    @property
    def is_clean(self) -> bool:
        """Whether nothing must be mended before it is delivered."""
        kept = {ReasonCode.SYSTEM_FILE}
        serious = any(f.severity in (Severity.BLOCKER, Severity.MAJOR) for f in self.findings)
        return not (self.aside.keys() - kept or serious or self.absent or not self.has_linkage)


def rehearsal_page(found: Rehearsed, texts: Mapping[str, FindingText]) -> str:
    """Return the page as Markdown.

    Parameters
    ----------
    found : Rehearsed
        What reading found.
    texts : mapping of rule id to FindingText
        What is said of a file set aside for a reason (`FIL_<REASON>`), and what to do.
    """
    total = sum(found.states.values())
    lines = ["# 交付预检 / What would be set aside", ""]
    lines += ["| 状态 state | 文件数 files |", "|---|---:|"]
    lines += [f"| {_STATES_ZH[s]} {s.value} | {found.states.get(s, 0)} |" for s in FileState]
    lines += [f"| 合计 all | {total} |", ""]
    if not found.has_linkage:
        lines += ["**没有可用的 linkage.csv：若此前未交付过，所有影像都会被隔离。**", ""]
        lines += [
            "**No usable linkage.csv: unless an earlier one names them, all images wait.**",
            "",
        ]
    if found.is_clean:
        lines += ["未发现需要更正的内容。 Nothing has to be mended.", ""]
    for reason, paths in sorted(found.aside.items()):
        lines += _section(reason, sorted(paths), texts.get(f"FIL_{reason}"))
    if found.absent:
        lines += [
            f"## 清单中有、但未找到的文件 / In the manifest and not there: {len(found.absent)}",
            "",
        ]
        lines += [*_listed(sorted(found.absent)), ""]
    if found.findings:
        lines += _findings(found.findings)
    return "\n".join(lines).rstrip() + "\n"


def _section(reason: ReasonCode, paths: Sequence[str], text: FindingText | None) -> list[str]:
    lines = [f"## {reason}: {len(paths)}", ""]
    if text is None:
        lines += [REASONS[reason], ""]
    else:
        lines += [text.message.zh, text.message.en, "", text.fix.zh, text.fix.en, ""]
    return [*lines, *_listed(paths), ""]


def _listed(paths: Sequence[str]) -> list[str]:
    lines = [f"- `{_printable(path)}`" for path in paths[:_PATHS_SHOWN]]
    rest = len(paths) - _PATHS_SHOWN
    return [*lines, f"- … {rest}"] if rest > 0 else lines


def _findings(findings: Sequence[Finding]) -> list[str]:
    lines = [f"## 表单 / Forms: {len(findings)}", ""]
    for one in findings[:_FINDINGS_SHOWN]:
        lines += [f"- **{one.rule_id}** {one.message_zh} {one.message_en}"]
        lines += [f"  {one.fix_zh} {one.fix_en}"]
    if len(findings) > _FINDINGS_SHOWN:
        rest = Counter(one.rule_id for one in findings[_FINDINGS_SHOWN:])
        lines += [f"- … {rule}: {number}" for rule, number in sorted(rest.items())]
    return [*lines, ""]


def _printable(path: str) -> str:
    return "".join(c if c.isprintable() and c != "`" else "�" for c in path)
