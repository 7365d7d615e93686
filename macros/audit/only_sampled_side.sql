{# The rows of one side of a step of the reconciliation that a build with --sample compares: those of its files or days. Figures
   that are made of sampled lines alone have no others. #}
{% macro only_sampled_side(side) -%}
    {%- set sample = (model.build_window or {}).sample -%}
    {%- if sample and side.file -%}
        {{ return(in_list(side.file, sample.files)) }}
    {%- elif sample and side.day and not is_sampled('fct_sales_lines') -%}
        {{ return(in_periods(side.day, sample.periods)) }}
    {%- endif -%}
    {{ return('true') }}
{%- endmacro %}

{# Whether the side nearer to the readers can be compared: it has the sample too, or a column by which it takes its part. Days of
   orders that are whole have lines of days that are not in the sample, so what is `made_of` orders needs a sample of them. #}
{% macro is_compared_in_sample(step) -%}
    {%- if not (model.build_window or {}).sample or step.farther.file or step.farther.day -%}
        {{ return(true) }}
    {%- endif -%}
    {{ return(is_sampled(step.farther.made_of) if step.farther.made_of else step.farther.reads | string in sampled_relations()) }}
{%- endmacro %}

{% macro scope_beyond_sample(part='') -%}
    {{ return('not compared: only one side has the sample' ~ (', ' ~ part if part else '')) }}
{%- endmacro %}
