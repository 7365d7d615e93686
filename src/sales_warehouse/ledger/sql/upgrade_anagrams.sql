-- Runs once: other hashes find the files with the same records. Without one the last files of the same size are compared.
alter table ledger.files rename column fingerprint to records_fingerprint;
update ledger.files set records_fingerprint = null, sampled_records = null where records_fingerprint is not null;
