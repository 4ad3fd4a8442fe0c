-- Open with: duckdb -readonly cohort.duckdb < examples/queries.sql

-- How many subjects are eligible, and why are the others not?
SELECT reading, status, first_failing_criterion, count(*) AS n
FROM eligibility GROUP BY ALL ORDER BY ALL;

-- Eligible subjects with their age and reference.
SELECT subject_id, site_code, age_years, patient_reference, n_volumes FROM analysis_set;

-- Arterial and hepatobiliary volumes of each subject.
SELECT subject_id, "MR_T1_ART", "MR_T1_HBP" FROM series_wide;

-- What is missing to decide on the undetermined subjects?
SELECT subject_id, unnest(missing_evidence) AS missing
FROM eligibility_matrix WHERE reading = 'literal' AND status = 'undetermined' ORDER BY ALL;

-- Series thicker than the protocol allows.
SELECT subject_id, label, slice_thickness_mm, thickness_limit_mm
FROM thickness_check WHERE thickness_verdict = 'not_met';

-- The flow of the whole cohort, as STARD draws it.
SELECT node_id, parent_id, label_en, n
FROM stard_flow WHERE reading = 'literal' AND site_code = 'all' ORDER BY node_order;

-- Images by label: sub_stack_slices has them counted before they are joined.
SELECT label, sum(n_images) AS images FROM sub_stack_slices GROUP BY ALL ORDER BY ALL;

-- Sub-stacks whose slices do not lie evenly.
SELECT subject_id, sub_stack_digest, min(step_mm) AS smallest_mm, max(step_mm) AS largest_mm
FROM slice_steps GROUP BY ALL HAVING max(step_mm) - min(step_mm) > 0.1 ORDER BY ALL;
