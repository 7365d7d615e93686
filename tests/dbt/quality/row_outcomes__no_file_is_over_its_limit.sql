-- Prevents: a publication that is green although most rows of a file are quarantined. A build of the target prod holds
-- such files (macros/quality/hold_files.sql), and the next build leaves them out.
{{ config(severity='error' if target.name == 'prod' else 'warn') }}
{{ files_over_limit(ref('row_outcomes')) }}
