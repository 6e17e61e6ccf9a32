clock 2026-11-22T09:50:00Z
subscribe L1 private-yearly 777788889999
amend L1 hours=2
register L1
sign-in alice
link acme-staging
until 2026-11-22T11:40:00Z
# AWS tells nothing of it: created, updated, ended, deprovisioned.
fault events drop_event 4
renew L1 L2 license=new
account acme-staging
until 2026-11-22T12:04:59Z
account acme-staging
# Five minutes past each hour AWS's agreements are looked at.
until 2026-11-22T12:05:00Z
account acme-staging
links acme-staging
until 2026-11-22T15:15:00Z
usage acme-staging
metered
rates acme-staging
bill L1
bill L2
compare acme-staging 2026-11 L1 L2
