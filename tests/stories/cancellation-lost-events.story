clock 2026-11-22T10:02:00Z
subscribe L1 public 777788889999
register L1
sign-in alice
link acme-staging
until 2026-11-22T11:48:00Z
# AWS tells nothing of it: neither that the agreement ended nor that the license is gone.
fault events drop_event 2
cancel L1
account acme-staging
# Five minutes past each hour AWS's agreements are looked at; AWS takes usage for an hour after the end.
until 2026-11-22T12:05:00Z
account acme-staging
# Hours that were over are sent within 10 minutes of when the end was learned.
until 2026-11-22T12:15:00Z
usage acme-staging
# What was used after the end AWS takes no more.
until 2026-11-22T15:20:00Z
usage acme-staging
metered
bill L1
compare acme-staging 2026-11 L1
