{# Post-hook, in the transaction that makes the relation: readers may read the audit models whose meta says `for_readers: true`, which
   the page shows. They hold no personal data, and nothing else of the schema is given to readers. #}
{% macro open_to_readers() -%}
    {%- if not execute or target.name != 'prod' or not model.config.meta.get('for_readers') -%}
        {{ return('') }}
    {%- endif -%}
    do $$ declare
        reader constant text := current_database() || '_reader';
    begin
        if exists (select from pg_roles where rolname = reader) and not has_table_privilege(reader, '{{ this }}', 'select') then
            execute format('grant select on %s to %I', '{{ this }}', reader);
        end if;
    end $$
{%- endmacro %}
