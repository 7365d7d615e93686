-- Bring the ledger of the version before up to this one; runs once, on a ledger whose files have a `business_key`.
-- prepare.py computes the periods afterwards.
alter table ledger.files rename column business_key to delivery_key;
alter table ledger.files rename constraint every_record_has_one_fate to every_record_has_one_outcome;
alter index ledger.files_one_active_per_business_key rename to files_one_active_per_delivery_key;
alter table ledger.files
add column period_start_date date,
add column period_end_date date,
add constraint period_is_whole_and_in_order
check ((period_start_date is null) = (period_end_date is null) and period_start_date <= period_end_date);
