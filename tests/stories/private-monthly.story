clock 2026-01-31T20:50:00Z
# What was negotiated: monthly instalments, five hours of each tier included.
subscribe L1 private-monthly 777788889999
amend L1 hours=5
bill L1
register L1
sign-in alice
link acme-staging
until 2026-02-01T03:15:00Z
# Hours 20 and 21 are the contract's; each month is billed what lies in it.
usage acme-staging
metered
rates acme-staging
estimate acme-staging 2026-01
estimate acme-staging 2026-02
bill L1
compare acme-staging 2026-01,2026-02 L1
