{# On-run-end, after note_green_build. While a rollback holds, nothing is published. #}
{% macro publish_build() -%}
    {%- if not execute or not may_publish() or not is_green_build() -%}
        {{ return('') }}
    {%- endif -%}
    {#- a second statement, since an error in the transaction would undo that the lease was given back #}
    {{ in_transaction_of_build("select ledger.try_to_publish('" ~ invocation_id ~ "')") }};
    select ledger.raise_refusal()
{%- endmacro %}

{# On-run-end, after publish_build: old publications go, and a person hears what became of the new one. #}
{% macro close_publication() -%}
    {%- if not execute or not may_publish() or not is_green_build() -%}
        {{ return('') }}
    {%- endif -%}
    {%- for publication, changed in run_query(
        "select publication, coalesce(string_agg(mart || ' +' || rows_added || ' -' || rows_closed, ', ' order by mart)"
        ~ " filter (where rows_added + rows_closed > 0), 'no row is different')"
        ~ " from ledger.publications inner join ledger.published_marts using (publication)"
        ~ " where invocation_id = '" ~ invocation_id ~ "' group by publication"
    ).rows -%}
        {%- do log('Publication ' ~ publication ~ ': ' ~ changed, info=true) -%}
    {%- endfor -%}
    {%- set hold = run_query("select ledger.find_hold('" ~ invocation_id ~ "') as hold").rows[0].hold -%}
    {%- if hold -%}
        {%- do log('Not published: ' ~ hold, info=true) -%}
    {%- endif -%}
    {%- set days = var('keep_publications_days') -%}
    {{ in_transaction_of_build(
        "select ledger.prune_publications(current_timestamp - interval '" ~ days | int ~ " days')"
    ) }}
{%- endmacro %}

{% macro may_publish() -%}
    {%- set wanted = var('publish') -%}
    {%- if wanted not in ('when_green', 'never') -%}
        {{ exceptions.raise_compiler_error("The variable publish is when_green or never, not " ~ wanted) }}
    {%- endif -%}
    {{ return(target.name == 'prod' and flags.WHICH in ('build', 'retry') and wanted == 'when_green') }}
{%- endmacro %}

{% macro is_green_build() -%}
    {{ return(run_query("select 1 from ledger.green_builds where invocation_id = '" ~ invocation_id ~ "'").rows | length > 0) }}
{%- endmacro %}
