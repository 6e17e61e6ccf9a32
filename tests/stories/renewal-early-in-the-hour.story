clock 2026-11-22T09:50:00Z
subscribe L1 public 777788889999
register L1
sign-in alice
link acme-staging
until 2026-11-22T11:05:00Z
# The hour of the renewal belongs to the old license; when it is over, AWS takes
# no more usage of that one, and no event said so.
fault events drop_event 4
renew L1 L2 license=new
until 2026-11-22T15:15:00Z
links acme-staging
usage acme-staging
compare acme-staging 2026-11 L1 L2
