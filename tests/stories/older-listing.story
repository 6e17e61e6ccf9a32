clock 2026-11-22T09:50:00Z
# An older listing: only SNS tells of its purchases. The message comes before the browser.
subscribe L1 public 777788889999 told_by=sns
told 2026-11-22
register L1
sign-in alice
link acme-staging
account acme-staging
told 2026-11-22
# Another buyer's browser comes before the message.
fault subscribe-success delay 1 delay_ms=90000
subscribe L2 public 123412341234 told_by=sns
register L2
ask-to-link acme-production
advance PT95S
link acme-production
account acme-production
told 2026-11-22
until 2026-11-22T11:15:00Z
metered
cancel L1
account acme-staging
until 2026-11-22T13:15:00Z
account acme-staging
usage acme-staging
metered
bill L1
bill L2
compare acme-staging 2026-11 L1
compare acme-production 2026-11 L2
