clock 2026-11-22T09:50:00Z
subscribe L1 private-yearly 777788889999 auto_renewal=true
amend L1 hours=4 ends_at=2026-11-22T12:30:00Z
register L1
sign-in alice
link acme-staging
until 2026-11-22T12:29:59Z
account acme-staging
until 2026-11-22T12:30:00Z
follow L1 L2
account acme-staging
until 2026-11-22T16:15:00Z
account acme-staging
links acme-staging
usage acme-staging
metered
rates acme-staging
estimate acme-staging 2026-11
bill L1
bill L2
compare acme-staging 2026-11 L1 L2
