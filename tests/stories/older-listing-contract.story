clock 2026-11-30T09:50:00Z
# What the contract covers is asked for once the message tells of it.
subscribe L1 consumption 777788889999 told_by=sns
register L1
sign-in alice
link acme-staging
until 2026-11-30T11:15:00Z
usage acme-staging
# The buyer has fewer hours covered from now on.
amend L1 hours=1
until 2026-11-30T13:15:00Z
usage acme-staging
metered
bill L1
compare acme-staging 2026-11 L1
# Nothing is used any more, until the month is invoiced.
silence
until 2026-12-03T02:30:00Z
bill L1
invoices L1
reconcile acme-staging 2026-11 L1
