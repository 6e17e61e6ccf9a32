clock 2026-11-22T09:50:00Z
subscribe L1 public 777788889999
register L1
sign-in alice
link acme-staging
until 2026-11-22T11:15:00Z
cancel L1
account acme-staging
until 2026-11-22T13:15:00Z
# The same buyer again: another agreement and another license, linked to nothing.
subscribe L2 public 777788889999
account acme-staging
until 2026-11-22T15:15:00Z
account acme-staging
usage acme-staging
token L2
register L2
sign-in alice
link acme-staging
account acme-staging
until 2026-11-22T17:15:00Z
usage acme-staging
metered
links acme-staging
bill L1
bill L2
compare acme-staging 2026-11 L1 L2
