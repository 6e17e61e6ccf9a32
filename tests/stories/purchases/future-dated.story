clock 2026-11-30T17:50:00Z
subscribe L1 public 777788889999 starts_at=2026-11-30T20:20:00Z
register L1
sign-in alice
link acme-staging
account acme-staging
until 2026-11-30T20:19:59Z
link acme-staging
until 2026-11-30T20:20:00Z
token L1
register L1
sign-in alice
link acme-staging
account acme-staging
until 2026-11-30T22:15:00Z
usage acme-staging
metered
rates acme-staging
estimate acme-staging 2026-11
bill L1
compare acme-staging 2026-11 L1
cancel L1
until 2026-11-30T23:20:00Z
silence
# To the last invoice, of the last usage.
until 2026-12-03T02:30:00Z
invoices L1
reconcile acme-staging 2026-11 L1
