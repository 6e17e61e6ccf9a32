clock 2026-11-22T10:02:00Z
subscribe L1 public 777788889999
register L1
sign-in alice
link acme-staging
fault BatchMeterUsage lost_answer 1
until 2026-11-22T11:10:30Z
usage acme-staging
until 2026-11-22T11:30:00Z
usage acme-staging
fault BatchMeterUsage internal_error 2
fault BatchMeterUsage throttle 1
fault BatchMeterUsage unprocessed 1
until 2026-11-22T12:30:00Z
calls
metered
usage acme-staging
