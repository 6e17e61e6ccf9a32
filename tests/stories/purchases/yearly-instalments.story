clock 2026-11-30T18:50:00Z
# Three instalments, as of three years prepaid yearly, at dates that the offer
# names: here a day lies between them, and the agreement ends after the last.
subscribe L1 private-multi-year 777788889999
amend L1 hours=5 ends_at=2026-12-02T18:00:00Z payments=["2026-11-30T18:50:00Z","2026-12-01T17:00:00Z","2026-12-02T17:00:00Z"]
register L1
sign-in alice
link acme-staging
until 2026-11-30T23:30:00Z
metered
rates acme-staging
estimate acme-staging 2026-11
# Nothing is used any more, and the instalments go on.
silence
bill L1
until 2026-12-02T17:00:00Z
bill L1
until 2026-12-02T18:00:00Z
account acme-staging
until 2026-12-03T02:30:00Z
invoices L1
reconcile acme-staging 2026-11 L1
