clock 2026-11-30T18:50:00Z
# Until its end not all of its hours are used: nothing is metered.
subscribe L1 consumption 777788889999
amend L1 ends_at=2026-11-30T21:30:00Z
register L1
sign-in alice
link acme-staging
until 2026-11-30T21:29:59Z
account acme-staging
until 2026-11-30T21:30:00Z
account acme-staging
until 2026-11-30T22:35:00Z
usage acme-staging
rates acme-staging
metered
bill L1
silence
# To the last invoice, of the last usage.
until 2026-12-03T02:30:00Z
invoices L1
reconcile acme-staging 2026-11 L1
