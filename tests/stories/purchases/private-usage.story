clock 2026-11-30T18:50:00Z
# Pay as you go at rates of a private offer.
subscribe L1 private-usage 777788889999
register L1
sign-in alice
link acme-staging
until 2026-11-30T21:15:00Z
rates acme-staging
cancel L1
account acme-staging
until 2026-11-30T22:20:00Z
estimate acme-staging 2026-11
bill L1
silence
# To the last invoice, of the last usage.
until 2026-12-03T02:30:00Z
invoices L1
reconcile acme-staging 2026-11 L1
