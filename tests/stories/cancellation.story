clock 2026-11-22T10:02:00Z
subscribe L1 public 777788889999
register L1
sign-in alice
link acme-staging
# The license ends five minutes into hour 11, before hour 10 is posted.
until 2026-11-22T11:05:00Z
cancel L1
account acme-staging
# Hours that were over are sent within 10 minutes of the end.
until 2026-11-22T11:15:00Z
usage acme-staging
# The product reports the running hour at once; it is sent 45 minutes after the end.
report acme-staging 2026-11-22T11:00:00Z last 2 large
until 2026-11-22T11:49:59Z
usage acme-staging
until 2026-11-22T11:52:00Z
usage acme-staging
# Its hourly report of hour 11 is the same again.
until 2026-11-22T13:15:00Z
metered
usage acme-staging
