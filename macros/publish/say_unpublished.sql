{# On-run-end, the last: why a run of prod that could not publish did not. #}
{% macro say_unpublished() -%}
    {%- if execute and target.name == 'prod' and flags.WHICH in ('run', 'seed', 'snapshot', 'test') -%}
        {%- set current = run_query('select publication from ledger.current_publication').rows -%}
        {%- do log(
            'Nothing was published: `dbt ' ~ flags.WHICH ~ '` does not build and test everything in one run. Readers see '
            ~ ('publication ' ~ current[0].publication if current else 'nothing yet')
            ~ '. To build, test and publish: dbt build --target prod', info=true
        ) -%}
    {%- endif -%}
{%- endmacro %}
