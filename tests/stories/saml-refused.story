clock 2026-11-22T10:00:00Z
subscribe L1 public 777788889999
register L1
sign-in sam
ask-to-link acme-production
account acme-production
