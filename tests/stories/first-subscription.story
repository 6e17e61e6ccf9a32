clock 2026-11-22T10:20:00Z
subscribe L1 public 777788889999
register L1
sign-in alice
choose
link acme-production
account acme-production
# The running hour is not over: nothing is metered yet.
metered
until 2026-11-22T11:15:00Z
metered
usage acme-production
usage acme-staging
