{# Run statements that lock the relation with these oids. A try waits for half a second at most, because readers that come later
   queue behind it; between the tries they go on. Says who is in the way, and fails after wait_for_locks_seconds. `modes` are
   those locks of others that stop the statements; none means all. #}
{% macro when_free(statements, relation, oids, modes=[]) -%}
    {%- set began = modules.datetime.datetime.now() -%}
    {# Jinja has no `while` #}
    {%- for attempt in range(100000) -%}
        {%- set blocked_by = run_query(write_try(statements, oids, modes)).rows[0][0] -%}
        {%- if not blocked_by -%}
            {{ return('') }}
        {%- endif -%}
        {%- set name = relation.include(database=false) | string | replace('"', '') -%}
        {%- if (modules.datetime.datetime.now() - began).total_seconds() > var('wait_for_locks_seconds') -%}
            {{ exceptions.raise_compiler_error(
                name ~ ' was locked for ' ~ var('wait_for_locks_seconds') ~ ' s by ' ~ blocked_by ~ '. It is unchanged.\n'
                ~ 'When that transaction has ended, or was ended by pg_terminate_backend: warehouse build'
            ) }}
        {%- endif -%}
        {%- do log('Waiting for a lock on ' ~ name ~ ', held by ' ~ blocked_by, info=true) if attempt % 30 == 0 -%}
        {%- do run_query('select pg_sleep(1)') -%}
    {%- endfor -%}
{%- endmacro %}

{# One try: it rolls its statements back when a lock is not free, and returns who has it. #}
{% macro write_try(statements, oids, modes) -%}
    do $when_free$
    declare
        usual_lock_timeout constant text := current_setting('lock_timeout');
    begin
        perform set_config('warehouse.blocked_by', '', true);
        perform set_config('warehouse.tries_until', cast(clock_timestamp() + interval '500 ms' as text), true);
        {{ limit_lock_wait() }}
        begin
            {{ statements }}
        exception when lock_not_available then
            perform set_config('warehouse.blocked_by', coalesce((
                select string_agg(distinct format(
                    'process %s of %s (%s%s)%s', pg_locks.pid, pg_stat_activity.usename,
                    coalesce(nullif(pg_stat_activity.application_name, ''), backend_type, 'no application name'),
                    ', ' || pg_stat_activity.state,
                    ', in a transaction for '
                        || cast(date_trunc('second', clock_timestamp() - pg_stat_activity.xact_start) as text)
                ), ' and ')
                from pg_locks inner join pg_stat_activity on pg_locks.pid = pg_stat_activity.pid
                where
                    pg_locks.granted and pg_locks.pid <> pg_backend_pid()
                    and pg_locks.relation in ({{ oids | join(', ') }})
                    and pg_locks.database = (select oid from pg_database where datname = current_database())
                    {%- if modes %}
                    and pg_locks.mode in ('{{ modes | join("', '") }}')
                    {%- endif %}
            ), 'a transaction that has ended meanwhile'), true);
        end;
        perform set_config('lock_timeout', usual_lock_timeout, true);
    end $when_free$;
    select current_setting('warehouse.blocked_by')
{%- endmacro %}

{# Before each statement of a try that locks one more relation: what is left of the half second. #}
{% macro limit_lock_wait() -%}
    perform set_config('lock_timeout', greatest(1, cast(1000 * extract(
        epoch from cast(current_setting('warehouse.tries_until') as timestamptz) - clock_timestamp()
    ) as integer)) || 'ms', true);
{%- endmacro %}

{# The lock of a table whose rows are written. Readers do not stop it; a maintenance command or a publication does. #}
{% macro lock_for_writing(relation) -%}
    {%- do when_free(
        'lock table ' ~ relation ~ ' in row exclusive mode;', relation, ["cast('" ~ relation ~ "' as regclass)"],
        ['ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock']
    ) -%}
{%- endmacro %}
