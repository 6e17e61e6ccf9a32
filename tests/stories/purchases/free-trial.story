clock 2026-11-16T18:50:00Z
subscribe L1 free-trial 777788889999
# Set up on the last of the 14 days.
until 2026-11-30T16:30:00Z
token L1
register L1
sign-in alice
link acme-staging
until 2026-11-30T18:15:00Z
rates acme-staging
estimate acme-staging 2026-11
bill L1
until 2026-11-30T21:15:00Z
metered
rates acme-staging
estimate acme-staging 2026-11
bill L1
compare acme-staging 2026-11 L1
cancel L1
until 2026-11-30T22:20:00Z
silence
# To the last invoice, of the last usage.
until 2026-12-03T02:30:00Z
invoices L1
reconcile acme-staging 2026-11 L1
