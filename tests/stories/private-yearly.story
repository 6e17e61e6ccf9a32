clock 2026-11-22T09:50:00Z
# What was negotiated: a year prepaid, five hours of each tier included.
subscribe L1 private-yearly 777788889999
amend L1 hours=5
register L1
sign-in alice
link acme-staging
until 2026-11-22T10:15:00Z
metered
until 2026-11-22T13:15:00Z
# The fifth hour of Medium is the second of hour 10's; from then on it is metered.
usage acme-staging
metered
rates acme-staging
estimate acme-staging 2026-11
bill L1
compare acme-staging 2026-11 L1
