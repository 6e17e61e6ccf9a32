clock 2026-11-22T09:50:00Z
subscribe L1 public 777788889999
register L1
sign-in alice
link acme-staging
until 2026-11-22T10:20:00Z
suspend 777788889999
account acme-staging
notices acme-staging
# AWS answers that the AWS account is not subscribed: usage waits.
until 2026-11-22T13:20:00Z
account acme-staging
notices acme-staging
usage acme-staging
metered
restore 777788889999
until 2026-11-22T15:15:00Z
notices acme-staging
usage acme-staging
metered
estimate acme-staging 2026-11
bill L1
compare acme-staging 2026-11 L1
