clock 2026-11-30T18:50:00Z
# Twelve instalments, as of a year prepaid monthly, at dates that the offer names:
# here hours lie between them, and the agreement ends after the last.
subscribe L1 private-monthly 777788889999
amend L1 hours=5 ends_at=2026-12-02T18:00:00Z payments=["2026-11-30T18:50:00Z","2026-11-30T20:00:00Z","2026-11-30T22:00:00Z","2026-12-01T02:00:00Z","2026-12-01T06:00:00Z","2026-12-01T10:00:00Z","2026-12-01T14:00:00Z","2026-12-01T18:00:00Z","2026-12-01T22:00:00Z","2026-12-02T02:00:00Z","2026-12-02T06:00:00Z","2026-12-02T17:00:00Z"]
register L1
sign-in alice
link acme-staging
until 2026-11-30T23:30:00Z
usage acme-staging
rates acme-staging
estimate acme-staging 2026-11
# Nothing is used any more, and the instalments go on.
silence
bill L1
invoices L1
until 2026-12-02T17:00:00Z
bill L1
until 2026-12-02T17:59:59Z
account acme-staging
until 2026-12-02T18:00:00Z
account acme-staging
until 2026-12-03T02:30:00Z
bill L1
invoices L1
reconcile acme-staging 2026-11 L1
