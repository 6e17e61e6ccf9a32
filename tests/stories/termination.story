clock 2026-11-22T09:50:00Z
subscribe L1 private-monthly 777788889999
amend L1 hours=4
register L1
sign-in alice
link acme-staging
until 2026-11-22T11:55:00Z
terminate L1
account acme-staging
notices acme-staging
links acme-staging
report acme-staging 2026-11-22T11:00:00Z last 1 xlarge
until 2026-11-22T13:15:00Z
usage acme-staging
metered
rates acme-staging
bill L1
compare acme-staging 2026-11 L1
