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
        _sub_stack_slices(),
        _slice_steps(),
        _omop_image_occurrence(),
        _omop_image_series(),
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


def _sub_stack_slices() -> View:
    """Images are counted before they are joined: a digest names a sub-stack in the cohort."""
    return View(
        "sub_stack_slices",
        "One row per sub-stack: its images counted, and where they lie. Millions of images are "
        "grouped before they are joined to the series · 每个子序列一行：图像数及位置",
        (
            ("subject_id", "r.subject_id", "Pseudonym · 假名"),
            ("study_uid", "r.study_uid", "Study · 检查"),
            ("series_uid", "r.series_uid", "Series · 序列"),
            ("sub_stack_digest", "r.sub_stack_digest", "Sub-stack · 子序列"),
            ("label", "r.label", "Sequence label · 序列标签"),
            ("n_images", "i.n_images", "Images [count] · 图像数"),
            ("first_mm", "i.first_mm", "Smallest position along the normal [mm] · 最小位置"),
            ("last_mm", "i.last_mm", "Largest position along the normal [mm] · 最大位置"),
            ("mean_mm", "i.mean_mm", "Mean position along the normal [mm] · 平均位置"),
        ),
        """series r JOIN (
  SELECT sub_stack_digest, count(*) AS n_images, min(slice_position_mm) AS first_mm,
    max(slice_position_mm) AS last_mm, avg(slice_position_mm) AS mean_mm
  FROM instance GROUP BY sub_stack_digest
) i ON i.sub_stack_digest = r.sub_stack_digest""",
    )


def _slice_steps() -> View:
    """Sort nothing: the table lies in the order of its key, which an empty window keeps.

    DuckDB keeps the order of rows through a window without clauses ("Order Preservation" in its
    manual), unless somebody turns `preserve_insertion_order` off.
    """
    return View(
        "slice_steps",
        "One row per two neighbouring images of a sub-stack: the step between them; with several "
        "b-values or echoes a step is 0. Needs preserve_insertion_order, which is on unless "
        "somebody turns it off · 每对相邻图像一行：层间步长",
        (
            ("subject_id", "subject_id", "Pseudonym · 假名"),
            ("series_uid", "series_uid", "Series · 序列"),
            ("sub_stack_digest", "sub_stack_digest", "Sub-stack · 子序列"),
            ("slice_no", "slice_no", "The second of the two, from 1 · 后一幅的层序号"),
            ("step_mm", "step_mm", "Step along the slice normal [mm] · 沿层面法向的步长"),
        ),
        """(
  SELECT subject_id, series_uid, sub_stack_digest, slice_no,
    slice_position_mm - lag(slice_position_mm) OVER () AS step_mm,
    sub_stack_digest = lag(sub_stack_digest) OVER ()
      AND slice_no = lag(slice_no) OVER () + 1 AS is_next
  FROM instance
) WHERE is_next""",
    )


_OMOP_NUMBERS = (
    "(SELECT subject_id, CAST(row_number() OVER (ORDER BY subject_id) AS INTEGER) AS person_id\n"
    "  FROM subject) p",
    "(SELECT study_uid, subject_id, study_date_shifted,\n"
    "    CAST(row_number() OVER (ORDER BY study_uid) AS INTEGER) AS procedure_occurrence_id\n"
    "  FROM imaging_study) i",
)
#: Standard concepts of the SNOMED vocabulary of OMOP, by what headers say; 0 is none.
_OMOP_MODALITY = "CASE r.modality WHEN 'CT' THEN 4300757 WHEN 'MR' THEN 4013636 ELSE 0 END"
_OMOP_FOLDER = "coalesce(regexp_replace(min(v.rel_path), '/[^/]*$', ''), '')"
_OMOP_SOURCE = (
    f"series r\nJOIN {_OMOP_NUMBERS[1]} ON i.study_uid = r.study_uid\n"
    f"JOIN {_OMOP_NUMBERS[0]} ON p.subject_id = i.subject_id\n"
    "LEFT JOIN nifti_volume v\n"
    "  ON v.series_uid = r.series_uid AND v.sub_stack_digest = r.sub_stack_digest\n"
    "GROUP BY {by}, p.person_id, p.subject_id, i.procedure_occurrence_id, i.study_date_shifted\n"
    "ORDER BY {by}"
)


def _omop_image_occurrence() -> View:
    return View(
        "omop_image_occurrence",
        "One row a study and modality, in the columns of MI-CDM's image_occurrence (an extension, "
        "not part of OMOP v5.4); numbers count within this release alone · "
        "每项检查及模态一行，列同 MI-CDM；编号仅在本次发布内有效",
        _omop_columns("r.study_uid, r.modality", "min(r.series_uid)", "First series of the row"),
        _OMOP_SOURCE.format(by="r.study_uid, r.modality"),
    )


def _omop_image_series() -> View:
    return View(
        "omop_image_series",
        "The same with one row a DICOM series, the grain of MI-CDM's own guide · "
        "同上，每个 DICOM 序列一行（MI-CDM 指南的粒度）",
        _omop_columns("r.series_uid, r.study_uid, r.modality", "r.series_uid", "Remapped UID"),
        _OMOP_SOURCE.format(by="r.series_uid, r.study_uid, r.modality"),
    )


def _omop_columns(by: str, series: str, of_series: str) -> tuple[tuple[str, str, str], ...]:
    number = f"CAST(row_number() OVER (ORDER BY {by}) AS INTEGER)"
    return (
        ("image_occurrence_id", number, "Key of the row: whole number"),
        ("person_id", "p.person_id", "Whole number for the subject"),
        ("procedure_occurrence_id", "i.procedure_occurrence_id", "Whole number for the study"),
        ("visit_occurrence_id", "CAST(NULL AS INTEGER)", "Not known to this cohort"),
        ("anatomic_site_concept_id", "0", "No concept looked up"),
        ("wadors_uri", "CAST(NULL AS VARCHAR)", "Not served over DICOMweb"),
        ("local_path", _OMOP_FOLDER, "Folder inside the release; empty without a volume"),
        ("image_occurrence_date", "i.study_date_shifted", "Study date, shifted"),
        ("image_study_uid", "r.study_uid", "Remapped StudyInstanceUID"),
        ("image_series_uid", series, of_series),
        ("modality_concept_id", _OMOP_MODALITY, "SNOMED concept of OMOP's vocabulary"),
        ("person_source_value", "p.subject_id", "Pseudonym"),
        ("modality_source_value", "r.modality", "Modality as in the headers"),
        ("anatomic_site_source_value", "'liver'", "Target of the examinations"),
        ("n_series", "CAST(count(DISTINCT r.series_uid) AS INTEGER)", "DICOM series of the row"),
    )
