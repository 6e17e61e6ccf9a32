clock 2026-11-22T09:58:00Z
subscribe L1 public 777788889999
register L1
sign-in alice
link acme-production
until 2026-11-22T10:40:00Z
token L1
register L1
sign-in alice
link acme-staging
account acme-production
account acme-staging
# Hour 10 of both accounts goes to the same license, in one record a dimension.
until 2026-11-22T11:15:00Z
metered
usage acme-production
until 2026-11-24T10:39:59Z
account acme-production
until 2026-11-24T10:40:00Z
account acme-production
