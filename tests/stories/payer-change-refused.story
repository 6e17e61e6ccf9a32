clock 2026-11-22T10:05:00Z
subscribe L1 public 777788889999
register L1
sign-in alice
link acme-staging
until 2026-11-22T11:20:00Z
# AWS takes nothing of the old payer any more, and the agreement ends.
suspend 777788889999
subscribe L2 public 222233334444
register L2
sign-in alice
link acme-staging
until 2026-11-22T11:24:00Z
cancel L1
# Its running hour is sent in the final window, refused, and never the new payer's.
until 2026-11-22T16:00:00Z
metered
usage acme-staging
account acme-staging
