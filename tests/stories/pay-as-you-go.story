clock 2026-11-22T09:50:00Z
subscribe L1 public 777788889999
register L1
sign-in alice
link acme-staging
until 2026-11-22T12:15:00Z
rates acme-staging
cancel L1
account acme-staging
# The running hour is reported in the final hour that AWS gives.
report acme-staging 2026-11-22T12:00:00Z last 2 large
until 2026-11-22T13:15:00Z
usage acme-staging
metered
estimate acme-staging 2026-11
bill L1
compare acme-staging 2026-11 L1
