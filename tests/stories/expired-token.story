clock 2026-11-22T10:00:00Z
subscribe L1 public 777788889999
advance 4h1m
register L1
register not-a-token
# Setting up again from AWS Marketplace works without subscribing again.
token L1
register L1
