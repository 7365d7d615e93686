-- Runs once, on a ledger whose rejects have no key, headers and time of messages.
alter table ledger.rejects
add column key text,
add column headers text,
add column sent_at timestamptz;
