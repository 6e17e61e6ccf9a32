clock 2026-11-22T10:02:00Z
subscribe L1 public 777788889999
register L1
sign-in alice
link acme-staging
until 2026-11-22T11:20:00Z
report acme-staging 2026-11-22T10:00:00Z late 2 xlarge
until 2026-11-22T12:15:00Z
metered
usage acme-staging
report acme-staging 2026-11-20T10:00:00Z too-old 2 xlarge
report acme-staging 2026-11-22T13:00:00Z future 2 xlarge
report nobody 2026-11-22T11:00:00Z r1 2 xlarge
report acme-staging 2026-11-22T11:00:00Z empty 0 xlarge
