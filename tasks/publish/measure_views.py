"""Views over what was measured and over protocols: distributions, variants, matrix, drift. Pure."""

from __future__ import annotations

from tasks.publish.view import View

_GROUP = (
    ("scanner_group", "scanner_group", "Scanner as far as it is known · 设备组"),
    ("label", "label", "Sequence label · 序列标签"),
)
_SITE = ("site_code", "split_part(p.subject_id, '-', 1)", "Site · 医院代码")


def measure_views() -> tuple[View, ...]:
    """Return the views over `image_metric` and `protocol_variant`."""
    return _metric_spread(), _variants(), _matrix(), _drift()


def _metric_spread() -> View:
    return View(
        "image_metric_spread",
        "Distribution of each metric per scanner and label; a scanner is compared with itself · "
        "各指标按设备与标签的分布",
        (
            *_GROUP,
            ("metric", "metric", "Metric · 指标"),
            ("metric_version", "metric_version", "Version of its definition · 定义版本"),
            ("unit", "unit", "Unit · 单位"),
            ("n", "count(value)", "Volumes with a value [count] · 有测量值的体数据数"),
            ("n_undetermined", "count(*) - count(value)", "Volumes without [count] · 无测量值数"),
            ("p05", "quantile_cont(value, 0.05)", "5th percentile · 第5百分位"),
            ("median", "median(value)", "Median · 中位数"),
            ("p95", "quantile_cont(value, 0.95)", "95th percentile · 第95百分位"),
            (
                "n_outliers",
                "count(*) FILTER (WHERE is_outlier)",
                "More than 3 scaled MAD on the bad side [count] · 不利方向超过3倍MAD的数量",
            ),
        ),
        "image_metric\nGROUP BY scanner_group, label, metric, metric_version, unit\n"
        "ORDER BY scanner_group, label, metric",
    )


def _variants() -> View:
    return View(
        "protocol_variants",
        "One row per scanner, label, agent and variant; variant 1 is the dominant protocol · "
        "每个设备、标签、对比剂与方案变体一行，1 为主要方案",
        (
            *_GROUP,
            ("agent_class", "agent_class", "Contrast agent · 对比剂"),
            ("variant_no", "variant_no", "Variant · 变体序号"),
            ("n_series", "count(*)", "Series [count] · 序列数"),
            ("n_subjects", "count(DISTINCT subject_id)", "Subjects [count] · 受试者数"),
            (
                "differs_in",
                "list_sort(list_distinct(flatten(list(differs_in))))",
                "Parameters beyond tolerance of the dominant variant · 超出容差的参数",
            ),
            (
                "is_outlier",
                "bool_or(is_outlier)",
                "Rare variant; empty below 20 series · 罕见变体；不足20个序列则为空",
            ),
            ("kvp", "median(kvp)", "Tube voltage [kV] · 管电压"),
            ("kernel", "min(kernel)", "Kernel · 重建核"),
            ("repetition_time_ms", "median(repetition_time_ms)", "Repetition time [ms] · 重复时间"),
            ("echo_time_ms", "median(echo_time_ms)", "Echo time [ms] · 回波时间"),
            ("flip_angle_deg", "median(flip_angle_deg)", "Flip angle [deg] · 翻转角"),
            ("slice_thickness_mm", "median(slice_thickness_mm)", "Thickness [mm] · 层厚"),
        ),
        "protocol_variant\nGROUP BY scanner_group, label, agent_class, variant_no\n"
        "ORDER BY scanner_group, label, agent_class, variant_no",
    )


def _matrix() -> View:
    return View(
        "protocol_matrix",
        "Sites x scanners x labels x kernel, agent and field strength, with counts; a site "
        "without a row delivered none · 医院×设备×标签×重建核/对比剂/场强",
        (
            _SITE,
            ("scanner_group", "p.scanner_group", "Scanner · 设备组"),
            ("label", "p.label", "Sequence label · 序列标签"),
            ("kernel", "p.kernel", "Reconstruction kernel · 重建核"),
            ("agent_class", "p.agent_class", "Contrast agent · 对比剂"),
            ("field_strength_t", "p.field_strength_t", "Field strength [T] · 场强"),
            ("n_series", "count(*)", "Series [count] · 序列数"),
            ("n_subjects", "count(DISTINCT p.subject_id)", "Subjects [count] · 受试者数"),
        ),
        "protocol_variant p\n"
        "GROUP BY ALL ORDER BY site_code, scanner_group, label, kernel, agent_class,\n"
        "  field_strength_t",
    )


def _drift() -> View:
    return View(
        "protocol_drift",
        "Share of the dominant protocol per scanner, label and batch of the site: batches are "
        "the time that subjects share · 各批次中主要方案所占比例（批次为受试者共同的时间轴）",
        (
            ("scanner_group", "p.scanner_group", "Scanner · 设备组"),
            ("label", "p.label", "Sequence label · 序列标签"),
            ("batch_no", "p.batch_no", "Place of the batch at its site · 本院批次序号"),
            ("n_series", "count(*)", "Series [count] · 序列数"),
            (
                "share_dominant",
                "count(*) FILTER (WHERE p.is_dominant) / count(*)",
                "Share of the dominant protocol · 主要方案比例",
            ),
        ),
        "protocol_variant p\nWHERE p.batch_no IS NOT NULL\n"
        "GROUP BY p.scanner_group, p.label, p.batch_no\n"
        "ORDER BY p.scanner_group, p.label, p.batch_no",
    )
