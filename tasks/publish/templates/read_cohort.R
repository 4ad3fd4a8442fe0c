# Read a cohort release: Rscript examples/read_cohort.R, in the release folder.
# Once: install.packages(c("DBI", "duckdb"))
library(DBI)

cohort <- dbConnect(duckdb::duckdb(), "cohort.duckdb", read_only = TRUE)

analysis_set <- dbGetQuery(cohort, "SELECT * FROM analysis_set")
cat(nrow(analysis_set), "eligible subjects\n")

reasons <- dbGetQuery(cohort, "
  SELECT status, first_failing_criterion, count(*) AS n
  FROM eligibility WHERE reading = 'literal' GROUP BY ALL ORDER BY ALL")
print(reasons)

dbDisconnect(cohort, shutdown = TRUE)
