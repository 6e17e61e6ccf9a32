clock 2026-11-22T09:50:00Z
# A contract of 1,000 hours of each tier.
subscribe L1 consumption 777788889999
register L1
sign-in alice
link acme-staging
until 2026-11-22T10:30:00Z
report acme-staging 2026-11-22T10:00:00Z burst 995 medium
until 2026-11-22T11:15:00Z
# Hours 9 and 10 used 1,001: one is metered, and from then on all are.
usage acme-staging
metered
until 2026-11-22T12:15:00Z
rates acme-staging
# Ten hours more: they last for three hours, and for one computer of the fourth.
amend L1 hours=1010
until 2026-11-22T16:15:00Z
usage acme-staging
metered
rates acme-staging
estimate acme-staging 2026-11
bill L1
compare acme-staging 2026-11 L1
# Renewed with the same license: another period begins, with all that it grants.
renew L1 L2 license=same
account acme-staging
until 2026-11-22T19:15:00Z
account acme-staging
rates acme-staging
usage acme-staging
metered
bill L1
bill L2
compare acme-staging 2026-11 L1 L2
