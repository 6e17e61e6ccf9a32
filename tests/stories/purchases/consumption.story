clock 2026-11-30T12:50:00Z
# A contract of 1,000 hours of each tier.
subscribe L1 consumption 777788889999
register L1
sign-in alice
link acme-staging
until 2026-11-30T13:30:00Z
report acme-staging 2026-11-30T13:00:00Z burst 995 medium
until 2026-11-30T14:15:00Z
# Hours 12 and 13 used 1,001: one is metered, and from then on all are.
usage acme-staging
metered
until 2026-11-30T15:15:00Z
rates acme-staging
# Ten hours more: they last for three hours, and for one computer of the fourth.
amend L1 hours=1010
until 2026-11-30T19:15:00Z
usage acme-staging
metered
rates acme-staging
estimate acme-staging 2026-11
bill L1
compare acme-staging 2026-11 L1
# Renewed with the same license: another period begins, with all that it grants.
renew L1 L2 license=same
account acme-staging
until 2026-11-30T22:15:00Z
account acme-staging
rates acme-staging
usage acme-staging
metered
bill L1
bill L2
compare acme-staging 2026-11 L1 L2
cancel L2
account acme-staging
until 2026-11-30T23:20:00Z
silence
# To the last invoice, of the last usage.
until 2026-12-03T02:30:00Z
invoices L1
invoices L2
reconcile acme-staging 2026-11 L1 L2
