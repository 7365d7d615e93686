{# An attribute that is NULL keeps its last value, so runs of months can be joined to runs of all time. With `backwards`
   a product whose first rows have no value of an attribute has its first value from the start. #}
{% macro runs_of_equal_attributes(relation, keys, backwards=false) -%}
    {%- set keys = keys | join(', ') -%}
    {%- set in_order -%}
        over (partition by {{ keys }} order by first_date asc nulls last rows between unbounded preceding and current row)
    {%- endset -%}
    select
        {{ keys }},
        product_name,
        product_category,
        product_sub_category,
        min(first_date) as first_date,
        max(last_date) as last_date
    from (
        select
            *,
            sum(is_change) {{ in_order }} as run_number
        from (
            select
                *,
                case
                    when product_name is distinct from lag(product_name) over (
                        partition by {{ keys }} order by first_date asc nulls last
                    ) then 1
                    when product_category is distinct from lag(product_category) over (
                        partition by {{ keys }} order by first_date asc nulls last
                    ) then 1
                    when product_sub_category is distinct from lag(product_sub_category) over (
                        partition by {{ keys }} order by first_date asc nulls last
                    ) then 1
                    else 0
                end as is_change
            from (
                select
                    {{ keys }},
                    first_date,
                    last_date,
                    {%- for column, number in [
                        ('product_name', 'name_number'),
                        ('product_category', 'category_number'),
                        ('product_sub_category', 'category_number'),
                    ] %}
                    coalesce(
                        max({{ column }}) over (partition by {{ keys }}, {{ number }}),
                        {{ first_told(column, number, keys) if backwards else 'null' }}
                    ) as {{ column }}{{ ',' if not loop.last }}
                    {%- endfor %}
                from (
                    select
                        *,
                        count(product_name) {{ in_order }} as name_number,
                        count(product_category) {{ in_order }} as category_number
                    from {{ relation }}
                ) as numbered
            ) as filled
        ) as changes
    ) as runs
    group by {{ keys }}, run_number, product_name, product_category, product_sub_category
{%- endmacro %}

{# The first value of a column within its key; `number` counts its values up to a row. #}
{% macro first_told(column, number, keys) -%}
    max(case when {{ number }} = 1 then {{ column }} end) over (partition by {{ keys }})
{%- endmacro %}
