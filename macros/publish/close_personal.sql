{# Post-hook, in the transaction that makes the relation: analysts may read what is made in their schemas, but nothing with a
   column whose meta says `personal: true`. #}
{% macro close_personal() -%}
    {%- if not execute or target.name != 'prod' -%}
        {{ return('') }}
    {%- endif -%}
    {%- for column in model.columns.values() if column.config.meta.personal -%}
        {%- if loop.first -%}
        do $$ begin
            if exists (select from pg_roles where rolname = current_database() || '_analyst') then
                execute format('revoke all on %s from %I', '{{ this }}', current_database() || '_analyst');
            end if;
        end $$
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}
