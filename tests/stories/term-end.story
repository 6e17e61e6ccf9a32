clock 2026-11-22T09:50:00Z
subscribe L1 consumption 777788889999
amend L1 hours=4 ends_at=2026-11-22T12:30:00Z
register L1
sign-in alice
link acme-staging
until 2026-11-22T12:29:59Z
account acme-staging
until 2026-11-22T12:30:00Z
account acme-staging
notices acme-staging
report acme-staging 2026-11-22T12:00:00Z last 3 medium
until 2026-11-22T14:15:00Z
usage acme-staging
metered
rates acme-staging
estimate acme-staging 2026-11
bill L1
compare acme-staging 2026-11 L1
