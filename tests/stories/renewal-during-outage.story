clock 2026-11-22T09:50:00Z
subscribe L1 private-yearly 777788889999
amend L1 hours=2
register L1
sign-in alice
link acme-staging
until 2026-11-22T11:40:00Z
# AWS tells nothing of it, and does not answer either.
fault events drop_event 4
fault SearchAgreements internal_error 100000
fault DescribeAgreement internal_error 100000
renew L1 L2 license=new
until 2026-11-22T15:50:00Z
account acme-staging
usage acme-staging
no-faults
until 2026-11-22T16:20:00Z
account acme-staging
links acme-staging
# What AWS refused of the license that was over is closed, and then billed anew.
until 2026-11-22T18:20:00Z
usage acme-staging
metered
compare acme-staging 2026-11 L1 L2
