clock 2026-11-30T18:50:00Z
subscribe L1 public 777788889999
register L1
sign-in alice
link acme-staging
until 2026-11-30T21:15:00Z
rates acme-staging
cancel L1
account acme-staging
# The running hour is reported in the final hour that AWS gives.
report acme-staging 2026-11-30T21:00:00Z last 2 large
until 2026-11-30T22:15:00Z
usage acme-staging
metered
estimate acme-staging 2026-11
bill L1
compare acme-staging 2026-11 L1
silence
# To the last invoice, of the last usage.
until 2026-12-03T02:30:00Z
invoices L1
reconcile acme-staging 2026-11 L1
