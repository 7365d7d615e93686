-- Runs once, on a ledger in which no person can be erased; schema.sql creates the tables.
alter table ledger.rejects add column delivered_bytes bigint check (delivered_bytes >= 0);
