{# Relations of the target prod belong to one role: the next build could not replace what another login built, so a
   build by another login stops. Relations of other targets belong to their builder. #}
{% macro assert_role() -%}
    {%- if execute and target.name == 'prod' -%}
        {%- do adapter.dispatch('assert_role', 'sales_warehouse')() -%}
    {%- endif -%}
{%- endmacro %}

{# Roles are in use where the ledger belongs to the loader, as in src/sales_warehouse/roles.py. #}
{% macro default__assert_role() -%}
    {%- for wanted, present, login, database in run_query(
        "select current_database() || '_transformer', current_user, session_user, current_database()"
        ~ " from pg_namespace inner join pg_roles on pg_namespace.nspowner = pg_roles.oid"
        ~ " where nspname = 'ledger' and rolname = current_database() || '_loader'"
        ~ " and current_user <> current_database() || '_transformer'"
    ).rows -%}
        {{ exceptions.raise_compiler_error(
            'The marts belong to the role ' ~ wanted ~ ', and this session works as ' ~ present ~ '. Nothing was built. '
            ~ 'A member of that role can make it the default of its login, once: '
            ~ 'alter role "' ~ login ~ '" in database "' ~ database ~ '" set role = ' ~ "'" ~ wanted ~ "'"
            ~ '. For schemas of your own: dbt build --target dev'
        ) }}
    {%- endfor -%}
{%- endmacro %}
