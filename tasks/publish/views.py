"""The views of `cohort.duckdb`, with words for the view and for each of its columns. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.publish.measure_views import measure_views
from tasks.publish.view import View

DEFAULT_READING = "literal"


def views(labels: Sequence[str], criteria: Sequence[str]) -> tuple[View, ...]:
    """Return all views, for the codes of the label vocabulary and of the criteria in order."""
    return (
        _analysis_set(),
        _exam_series(),
        _series_choice(),
        _series_wide(labels),
        _eligibility_matrix(criteria),
        _thickness_check(),
        _omop_image_occurrence(),
        *measure_views(),
    )


def _analysis_set() -> View:
    return View(
        "analysis_set",
        "One row per eligible subject, on the literal reading · 每位合格受试者一行（按字面解读）",
        (
            ("subject_id", "s.subject_id", "Pseudonym · 假名"),
            ("site_code", "s.site_code", "Site · 医院代码"),
            ("sex", "s.sex", "Sex · 性别"),
            ("age_years", "s.age_years", "Age at the baseline CT [years] · 基线CT时年龄"),
            ("ascertainment", "s.ascertainment", "How the subject was found · 收集方式"),
            ("analysis_role", "s.analysis_role", "Part of the study · 研究用途"),
            (
                "patient_reference",
                "s.patient_reference",
                "Patient-level reference · 患者层面参考标准",
            ),
            (
                "n_lesions",
                "(SELECT count(*) FROM lesion l WHERE l.subject_id = s.subject_id)",
                "Reference lesions [count] · 参考病灶数",
            ),
            (
                "n_volumes",
                "(SELECT count(*) FROM nifti_volume v WHERE v.subject_id = s.subject_id)",
                "NIfTI volumes [count] · NIfTI 体数据数",
            ),
            ("reading", "e.reading", "Reading of the registered text · 解读方式"),
        ),
        "subject s JOIN eligibility e ON e.subject_id = s.subject_id\n"
        f"WHERE e.reading = '{DEFAULT_READING}' AND e.status = 'eligible'\nORDER BY s.subject_id",
    )


_CHOICE_RULE = """CASE
    WHEN n_equal = 1 THEN 'the only series that may fill the slot'
    WHEN required_for_protocol THEN 'of the protocol exam, then body kernel, then the thinnest'
    ELSE 'the thinnest'
  END"""


# A label with a slot of the protocol is stood for by a diagnostic series only.
_RANKED = """(
  SELECT v.subject_id, i.study_uid, r.label, v.rel_path, r.series_uid, r.sub_stack_digest,
    i.role, r.slice_thickness_mm, r.kernel_class, r.energy, r.required_for_protocol,
    count(*) OVER (PARTITION BY {partition}) AS n_equal,
    row_number() OVER (
    PARTITION BY {partition}
    ORDER BY CASE i.role WHEN 'eob_mri' THEN 0 WHEN 'dce_mri' THEN 1 WHEN 'baseline_ct' THEN 2
                         WHEN 'other' THEN 3 ELSE 4 END,
             r.required_for_protocol DESC, (r.kernel_class = 'body') DESC NULLS LAST,
             (r.energy = 'polyenergetic') DESC NULLS LAST,
             r.slice_thickness_mm NULLS LAST, v.volume_id) AS place
  FROM nifti_volume v
  JOIN series r ON r.series_uid = v.series_uid AND r.sub_stack_digest = v.sub_stack_digest
  JOIN imaging_study i ON i.study_uid = r.study_uid
  WHERE r.is_diagnostic OR NOT regexp_matches(r.label, '^(CT_.*|MR_T1_.*|MR_T2|MR_T2_FS)$')
) WHERE place = 1 ORDER BY subject_id, study_uid, label"""


def _ranked(partition: str) -> str:
    return _RANKED.replace("{partition}", partition)


_CHOSEN_COLUMNS = (
    ("subject_id", "subject_id", "Pseudonym · 假名"),
    ("label", "label", "Canonical label · 标准标签"),
    ("rel_path", "rel_path", "NIfTI path inside the release folder · 发布目录内的 NIfTI 路径"),
    ("series_uid", "series_uid", "Series · 序列"),
    ("sub_stack_digest", "sub_stack_digest", "Sub-stack · 子序列"),
    ("role", "role", "Exam of the protocol · 方案检查"),
    ("slice_thickness_mm", "slice_thickness_mm", "Slice thickness [mm] · 层厚"),
    ("kernel_class", "kernel_class", "Class of the CT kernel · CT重建核类别"),
    ("energy", "energy", "Spectrum of the CT · CT能谱类别"),
    ("n_candidates", "n_equal", "Series it was chosen from [count] · 候选序列数"),
    ("chosen_by", _CHOICE_RULE, "Rule that chose it · 选取规则"),
)


def _exam_series() -> View:
    """Phases that are looked at together come from one exam: `series_choice` may take two."""
    return View(
        "exam_series",
        "One row per examination and label: the series that stands for the label in that "
        "examination · 每次检查、每个标签一行：该检查中代表该标签的序列",
        (("study_uid", "study_uid", "Examination · 检查"), *_CHOSEN_COLUMNS),
        _ranked("v.subject_id, i.study_uid, r.label"),
    )


def _series_choice() -> View:
    return View(
        "series_choice",
        "One row per subject and label: the series that series_wide takes, and which rule chose "
        "it · series_wide 所取序列及其选取规则",
        _CHOSEN_COLUMNS,
        _ranked("v.subject_id, r.label"),
    )


def _series_wide(labels: Sequence[str]) -> View:
    columns = [
        ("subject_id", "s.subject_id", "Pseudonym · 假名"),
        ("site_code", "any_value(s.site_code)", "Site · 医院代码"),
    ]
    columns += [
        (label, f"max(b.rel_path) FILTER (WHERE b.label = '{label}')", f"NIfTI path of {label}")
        for label in labels
    ]
    return View(
        "series_wide",
        "One row per subject, one column per label: path of the NIfTI inside the release folder. "
        "Of several, the one of a protocol exam, with a soft-tissue kernel, then the thinnest; "
        "series_choice says which rule chose. · "
        "多个时取方案检查中软组织核、最薄者；选取规则见 series_choice",
        tuple(columns),
        """subject s LEFT JOIN series_choice b ON b.subject_id = s.subject_id
GROUP BY s.subject_id ORDER BY s.subject_id""",
    )


def _eligibility_matrix(criteria: Sequence[str]) -> View:
    columns = [
        ("subject_id", "e.subject_id", "Pseudonym · 假名"),
        ("reading", "e.reading", "Reading of the registered text · 解读方式"),
        ("status", "any_value(e.status)", "Eligibility · 合格性"),
    ]
    # A criterion without a row is undetermined: nobody decided it.
    columns += [
        (
            criterion,
            f"coalesce(max(c.effect) FILTER (WHERE c.criterion_id = '{criterion}'), "
            "'undetermined')",
            f"Effect of {criterion} {{pass, fail, undetermined}} · {criterion} 的作用",
        )
        for criterion in criteria
    ]
    columns.append(
        (
            "missing_evidence",
            "coalesce(list_sort(list_distinct(flatten(list(c.missing_evidence)"
            " FILTER (WHERE c.effect = 'undetermined')))), [])",
            "All that is missing to decide · 所有缺失证据",
        )
    )
    return View(
        "eligibility_matrix",
        "One row per subject and reading, one column per criterion · 每位受试者、每种解读一行",
        tuple(columns),
        "eligibility e LEFT JOIN criterion_result c\n"
        "  ON c.subject_id = e.subject_id AND c.reading = e.reading\n"
        "GROUP BY e.subject_id, e.reading ORDER BY e.subject_id, e.reading",
    )


def _thickness_check() -> View:
    return View(
        "thickness_check",
        "Slice thickness and field strength of every series with a limit · 有层厚上限的序列",
        (
            ("subject_id", "r.subject_id", "Pseudonym · 假名"),
            ("study_uid", "r.study_uid", "Study · 检查"),
            ("role", "i.role", "Exam of the protocol · 方案中的检查"),
            ("series_uid", "r.series_uid", "Series · 序列"),
            ("sub_stack_digest", "r.sub_stack_digest", "Sub-stack · 子序列"),
            ("label", "r.label", "Sequence label · 序列标签"),
            ("slice_thickness_mm", "r.slice_thickness_mm", "SliceThickness [mm] · 层厚"),
            ("spacing_between_slices_mm", "r.spacing_between_slices_mm", "Spacing [mm] · 层间距"),
            ("thickness_limit_mm", "r.thickness_limit_mm", "Limit of the protocol [mm] · 上限"),
            ("thickness_verdict", "r.thickness_verdict", "Verdict on thickness · 层厚结论"),
            ("field_strength_t", "r.field_strength_t", "Field strength [T] · 场强"),
            (
                "required_for_protocol",
                "r.required_for_protocol",
                "Whether the protocol requires it · 方案是否要求",
            ),
        ),
        "series r JOIN imaging_study i ON i.study_uid = r.study_uid\n"
        "WHERE r.thickness_limit_mm IS NOT NULL\n"
        "ORDER BY r.subject_id, r.study_uid, r.series_uid, r.sub_stack_digest",
    )


def _omop_image_occurrence() -> View:
    return View(
        "omop_image_occurrence",
        "Series in the columns of the MI-CDM proposal for OMOP (not part of OMOP v5.4); "
        "concept 0 means no concept was looked up · 按 OMOP MI-CDM 提案列出的序列",
        (
            ("image_occurrence_id", "r.series_uid || '/' || r.sub_stack_digest", "Key of the row"),
            ("person_id", "r.subject_id", "Pseudonym; text, not an OMOP number"),
            ("procedure_occurrence_id", "r.study_uid", "Study; text, not an OMOP number"),
            ("visit_occurrence_id", "CAST(NULL AS VARCHAR)", "Not known to this cohort"),
            ("anatomic_site_concept_id", "0", "No concept looked up"),
            ("anatomic_site_source_value", "'liver'", "Target of the examinations"),
            ("wadors_uri", "CAST(NULL AS VARCHAR)", "Not served over DICOMweb"),
            ("local_path", "v.rel_path", "NIfTI path inside the release folder; empty without one"),
            ("image_occurrence_date", "i.study_date_shifted", "Study date, shifted"),
            ("image_study_uid", "r.study_uid", "Remapped StudyInstanceUID"),
            ("image_series_uid", "r.series_uid", "Remapped SeriesInstanceUID"),
            ("modality_concept_id", "0", "No concept looked up"),
            ("modality_source_value", "r.modality", "Modality as in the headers"),
        ),
        "series r JOIN imaging_study i ON i.study_uid = r.study_uid\n"
        "LEFT JOIN nifti_volume v\n"
        "  ON v.series_uid = r.series_uid AND v.sub_stack_digest = r.sub_stack_digest\n"
        "ORDER BY r.series_uid, r.sub_stack_digest",
    )
