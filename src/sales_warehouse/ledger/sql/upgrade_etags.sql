-- Runs once, on a ledger without ETags.
alter table ledger.files add column etag text;
