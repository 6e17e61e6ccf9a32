clock 2026-11-22T09:50:00Z
subscribe L1 private-yearly 777788889999
amend L1 hours=2
register L1
sign-in alice
link acme-staging
until 2026-11-22T11:40:00Z
# AWS tells that the old license is gone, and for more than a day not what goes on
# in its place; that it was a renewal is not told either.
fault events drop_event 3
fault SearchAgreements internal_error 100000
fault DescribeAgreement internal_error 100000
renew L1 L2 license=new
until 2026-11-23T11:39:00Z
account acme-staging
until 2026-11-23T13:50:00Z
account acme-staging
usage acme-staging
no-faults
until 2026-11-23T16:30:00Z
account acme-staging
links acme-staging
usage acme-staging
compare acme-staging 2026-11 L1 L2
