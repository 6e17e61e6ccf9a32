clock 2026-11-16T18:50:00Z
subscribe L1 free-trial 777788889999
# Nothing is used until it is set up, on the last of the 14 days.
silence
until 2026-11-30T16:30:00Z
token L1
register L1
sign-in alice
link acme-staging
report acme-staging 2026-11-30T16:00:00Z h16 3 medium
until 2026-11-30T17:30:00Z
report acme-staging 2026-11-30T17:00:00Z h17 3 medium
until 2026-11-30T18:15:00Z
rates acme-staging
estimate acme-staging 2026-11
bill L1
# The trial ends within this hour, which is free; those after it are not.
report acme-staging 2026-11-30T18:00:00Z h18 3 medium
until 2026-11-30T19:30:00Z
report acme-staging 2026-11-30T19:00:00Z h19 3 medium
until 2026-11-30T20:30:00Z
report acme-staging 2026-11-30T20:00:00Z h20 4 large
until 2026-11-30T21:15:00Z
metered
rates acme-staging
estimate acme-staging 2026-11
bill L1
compare acme-staging 2026-11 L1
cancel L1
# To the last invoice, of the last usage.
until 2026-12-03T02:30:00Z
invoices L1
reconcile acme-staging 2026-11 L1
