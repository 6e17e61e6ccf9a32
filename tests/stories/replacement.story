clock 2026-11-30T09:50:00Z
subscribe L1 public 777788889999
register L1
sign-in alice
link acme-staging
until 2026-11-30T10:20:00Z
# A private offer in the place of the public one, from 11:40 on.
renew L1 L2 license=new intent=REPLACE offer=private-yearly starts_at=2026-11-30T11:40:00Z
amend L2 hours=3
until 2026-11-30T11:39:59Z
account acme-staging
until 2026-11-30T11:40:00Z
account acme-staging
links acme-staging
until 2026-11-30T15:15:00Z
usage acme-staging
metered
rates acme-staging
bill L1
bill L2
compare acme-staging 2026-11 L1 L2
# Nothing is used any more, until the month is invoiced.
silence
until 2026-12-03T02:30:00Z
bill L1
bill L2
invoices L1
invoices L2
reconcile acme-staging 2026-11 L1 L2
