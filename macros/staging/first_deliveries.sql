{# For the rule row:delivered_before: each record of the active files of a raw table, and the first file that has it. The
   query reads the whole raw table, whichever files a build is about. A build that finds an earlier file changed looks at
   the later files again (open_build). #}
{% macro first_deliveries(relation, columns) -%}
    select
        record_digest,
        min(_file_id) as first_file_id
    from (
        select
            {{ record_digest(columns) }} as record_digest,
            _file_id
        from {{ relation }}
        where _file_id in (select file_id from {{ source('ledger', 'files') }} where status = 'active')
    ) as records
    group by record_digest
{%- endmacro %}

{# Equal for equal values. The lengths keep `a`, `bc` apart from `ab`, `c`. #}
{% macro record_digest(columns) -%}
    md5(
        {%- for column in columns %}
        {{ '|| ' if not loop.first }}coalesce(cast(length({{ column_name(column) }}) as {{ text_type() }}) || ':' || {{ column_name(column) }}, '-')
        {%- endfor %}
    )
{%- endmacro %}
