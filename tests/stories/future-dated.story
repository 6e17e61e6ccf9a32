clock 2026-11-22T09:50:00Z
subscribe L1 public 777788889999 starts_at=2026-11-22T12:20:00Z
register L1
sign-in alice
link acme-staging
account acme-staging
until 2026-11-22T12:19:59Z
link acme-staging
until 2026-11-22T12:20:00Z
token L1
register L1
sign-in alice
link acme-staging
account acme-staging
until 2026-11-22T14:15:00Z
usage acme-staging
metered
rates acme-staging
estimate acme-staging 2026-11
bill L1
compare acme-staging 2026-11 L1
