{# On-run-start of prod, before any model: stops a build of which a mart could not be published. The rows of a view change
   with what it reads, after its tests; dbt refreshes a materialized view by its old SQL when the SQL has changed. #}
{% macro check_marts() -%}
    {%- if not execute or target.name != 'prod' or flags.WHICH not in ('build', 'run', 'retry') -%}
        {{ return('') }}
    {%- endif -%}
    {%- for node in public_models() -%}
        {%- if 'view' in node.config.materialized -%}
            {{ exceptions.raise_compiler_error(
                'The mart ' ~ node.alias ~ ' is materialized as ' ~ node.config.materialized ~ ', so readers could not see it as it'
                ~ ' was tested. Nothing was built. Write `materialized: table`, or keep it from readers: `meta: {public: false}`'
                ~ ' in ' ~ node.original_file_path
            ) }}
        {%- endif -%}
        {%- for name, promise in promises_of_columns(node).items()
            if promise.deprecation_date and not modules.re.fullmatch('\\d{4}-\\d\\d-\\d\\d([ T].*)?', promise.deprecation_date) -%}
            {{ exceptions.raise_compiler_error(
                'The deprecation_date of ' ~ node.alias ~ '.' ~ name ~ ' is ' ~ promise.deprecation_date
                ~ ', not a date such as 2030-01-31. Nothing was built.'
            ) }}
        {%- endfor -%}
    {%- endfor -%}
{%- endmacro %}
