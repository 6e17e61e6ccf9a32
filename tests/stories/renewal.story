clock 2026-11-30T09:50:00Z
subscribe L1 private-yearly 777788889999
amend L1 hours=2
register L1
sign-in alice
link acme-staging
until 2026-11-30T11:40:00Z
# In monthly instalments from now on, with a license of its own.
renew L1 L2 license=new offer=private-monthly
amend L2 hours=3
account acme-staging
links acme-staging
until 2026-11-30T15:15:00Z
account acme-staging
usage acme-staging
metered
rates acme-staging
estimate acme-staging 2026-11
bill L1
bill L2
compare acme-staging 2026-11 L1 L2
# Nothing is used any more, until the month is invoiced.
silence
until 2026-12-03T02:30:00Z
bill L1
bill L2
invoices L1
invoices L2
reconcile acme-staging 2026-11 L1 L2
