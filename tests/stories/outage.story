clock 2026-11-22T09:50:00Z
subscribe L1 public 777788889999
register L1
sign-in alice
link acme-staging
until 2026-11-22T12:30:00Z
metered
# AWS Marketplace answers nothing at all for 20 hours, across midnight; then it does again.
fault BatchMeterUsage internal_error 100000
fault GetEntitlements internal_error 100000
fault GetAgreementTerms internal_error 100000
fault SearchAgreements internal_error 100000
fault DescribeAgreement internal_error 100000
until 2026-11-23T08:30:00Z
metered
account acme-staging
no-faults
until 2026-11-23T11:30:00Z
metered
usage acme-staging
compare acme-staging 2026-11 L1
