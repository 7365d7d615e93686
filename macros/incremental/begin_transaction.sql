{# The statements that begin a transaction of a build. They set what a server, a database or a login may have set otherwise; on prod
   also that no time limit ends a statement, and that the build still has its lease. dbt has no setting for its sessions. #}
{% macro begin_transaction(holds_lease=true) -%}
    begin isolation level read committed, read write;
    {#- for the session: dbt's own materializations drop the old relation after their commit #}
    select set_config('default_transaction_read_only', 'off', false)
    where current_setting('default_transaction_read_only') = 'on';
    {%- if target.name == 'prod' %}
    set local statement_timeout = 0;
    set local lock_timeout = 0;
    {#- ends the transaction of a dbt process that is stopped: it would keep its locks for ever #}
    set local idle_in_transaction_session_timeout = '15min';
    select set_config('transaction_timeout', '0', true) where current_setting('transaction_timeout', true) is not null;
    {%- endif %}
    {%- if holds_lease and needs_lease() %}
    select ledger.hold_build_lease('{{ invocation_id }}');
    {%- endif %}
{%- endmacro %}

{# Pre-hook of models and seeds. dbt began its transaction before, perhaps with another isolation level. Materializations that
   follow the ledger did this in look_up_window. #}
{% macro begin_write() -%}
    {%- if execute and not model.build_window and keeps_build_state() -%}
        commit;
        {{ begin_transaction() }}
    {%- endif -%}
{%- endmacro %}

{# Begin the transaction that replaces the rows of this relation; no other build looks up the window of the relation, or
   replaces its rows, before it ends. #}
{% macro begin_replacing() -%}
    {%- do run_query(
        'commit; ' ~ begin_transaction() ~ " select pg_advisory_xact_lock(hashtextextended('"
        ~ this | string | replace("'", "''") ~ "', 0))"
    ) -%}
{%- endmacro %}

{# A transaction of an on-run hook, where dbt commits each statement. #}
{% macro in_transaction_of_build(statements) -%}
    {{ return(begin_transaction() ~ statements ~ ';\ncommit' if statements else '') }}
{%- endmacro %}
