clock 2026-11-22T10:02:00Z
subscribe L1 public 777788889999
register L1
sign-in alice
link acme-staging
until 2026-11-22T11:20:00Z
cancel L1
account acme-staging
until 2026-11-22T13:15:00Z
metered
usage acme-staging
