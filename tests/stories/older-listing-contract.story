clock 2026-11-22T09:50:00Z
# What the contract covers is asked for once the message tells of it.
subscribe L1 consumption 777788889999 told_by=sns
register L1
sign-in alice
link acme-staging
until 2026-11-22T11:15:00Z
usage acme-staging
# The buyer has fewer hours covered from now on.
amend L1 hours=1
until 2026-11-22T13:15:00Z
usage acme-staging
metered
bill L1
compare acme-staging 2026-11 L1
