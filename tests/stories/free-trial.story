clock 2026-11-08T19:50:00Z
subscribe L1 free-trial 777788889999
# Set up on the last of the 14 days.
until 2026-11-22T17:30:00Z
token L1
register L1
sign-in alice
link acme-staging
until 2026-11-22T19:15:00Z
rates acme-staging
estimate acme-staging 2026-11
bill L1
until 2026-11-22T22:15:00Z
metered
rates acme-staging
estimate acme-staging 2026-11
bill L1
compare acme-staging 2026-11 L1
