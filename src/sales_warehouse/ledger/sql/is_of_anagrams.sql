-- Say whether fingerprints are of the letters and digits of whole records; upgrade_anagrams.sql removes them.
select exists (select from pg_attribute where attrelid = to_regclass('ledger.files') and attname = 'fingerprint')
