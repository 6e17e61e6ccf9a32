clock 2026-11-22T09:50:00Z
subscribe L1 public 777788889999
register L1
sign-in alice
link acme-staging
until 2026-11-22T11:40:00Z
# Of pay as you go AWS's answer does not say when it was replaced.
fault events drop_event 4
renew L1 L2 license=new intent=REPLACE offer=private-yearly
until 2026-11-22T12:05:00Z
links acme-staging
until 2026-11-22T15:15:00Z
usage acme-staging
compare acme-staging 2026-11 L1 L2
