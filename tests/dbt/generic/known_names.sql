{% test known_names(model, name_column, seed) %}

-- Warns with the names themselves; failing rows would only be counted.
{%- set unknown %}
select {{ name_column }}
from {{ model }}
where not is_known and {{ name_column }} <> 'unknown'
order by line_count desc nulls last, {{ name_column }} asc nulls last
{%- endset -%}
{%- if execute and is_build() -%}
    {%- set names = run_query(unknown).columns[0].values() -%}
    {%- if names -%}
        {%- do exceptions.warn(
            'Not in ' ~ seed ~ ': ' ~ names[:20] | join(', ') ~ (' and ' ~ (names | length - 20) ~ ' more' if names | length > 20)
            ~ '. Add each in lower case, with the code of its country.'
        ) -%}
    {%- endif -%}
{%- endif -%}
{{ unknown }}

{% endtest %}
