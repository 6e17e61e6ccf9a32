clock 2026-11-30T17:50:00Z
# What was negotiated: a year prepaid, five hours of each tier included; it ends
# here after hours.
subscribe L1 private-yearly 777788889999
amend L1 hours=5 ends_at=2026-11-30T21:30:00Z
register L1
sign-in alice
link acme-staging
until 2026-11-30T18:15:00Z
metered
until 2026-11-30T21:15:00Z
# The fifth hour of Medium is the second of hour 18's; from then on it is metered.
usage acme-staging
metered
rates acme-staging
estimate acme-staging 2026-11
bill L1
compare acme-staging 2026-11 L1
until 2026-11-30T21:30:00Z
account acme-staging
until 2026-11-30T22:35:00Z
usage acme-staging
silence
# To the last invoice, of the last usage.
until 2026-12-03T02:30:00Z
invoices L1
reconcile acme-staging 2026-11 L1
