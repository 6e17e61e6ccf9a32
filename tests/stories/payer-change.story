clock 2026-11-22T10:05:00Z
subscribe L1 public 777788889999
register L1
sign-in alice
link acme-staging
until 2026-11-22T11:40:00Z
subscribe L2 public 222233334444
register L2
sign-in alice
link acme-staging
account acme-staging
# Hour 11 stays with the old license: its computers were protected before 11:40.
until 2026-11-22T13:15:00Z
metered
usage acme-staging
