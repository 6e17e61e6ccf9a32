clock 2026-11-22T10:02:00Z
subscribe L1 public 777788889999
register L1
sign-in alice
link acme-staging
report acme-staging 2026-11-22T10:00:00Z r1 5 medium
report acme-staging 2026-11-22T10:00:00Z r1 5 medium
# The same id with other content is refused.
report acme-staging 2026-11-22T10:00:00Z r1 6 medium
until 2026-11-22T11:15:00Z
# Once more, after the hour was posted and metered: nothing changes.
report acme-staging 2026-11-22T10:00:00Z r1 5 medium
until 2026-11-22T12:15:00Z
metered
usage acme-staging
