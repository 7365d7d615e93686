{# In a build of what is new the pairs of customer and product go to a temporary table first, because the planner must know how few
   there are. A pair is due when a return of it came, when a line of it came and it has a return, and when a return of it had a
   touched date between its sale and itself. #}
{% macro only_lines_of_touched_returns(lines) -%}
    {%- set window = model.build_window -%}
    {%- if not window or window.is_whole -%}
        {{ return(only_sampled_dates('order_date')) }}
    {%- endif -%}
    {%- set meta = model.config.meta -%}
    {%- set came -%}
        select customer_key, product_key, line_type
        from {{ lines }}
        where
            is_merchandise and customer_id is not null and product_key <> {{ unknown_member_key() }}
            and {{ in_dates('order_date', window.dates) }}
    {%- endset -%}
    {%- set known = 'select customer_key, product_key from ' ~ this ~ ' where ' -%}
    {%- do run_query(
        "create temporary table touched_pairs on commit drop as select customer_key, product_key from (" ~ came
        ~ ") as came where line_type in ('return', 'cancellation') union "
        ~ known ~ "(customer_key, product_key) in (select customer_key, product_key from (" ~ came ~ ") as came) union "
        ~ known ~ in_periods(meta.date_column, merged_periods(window.dates), meta.last_date_column)
        ~ "; analyze touched_pairs"
    ) -%}
    {{ return(
        'customer_key in (select customer_key from touched_pairs)'
        ~ ' and (customer_key, product_key) in (select customer_key, product_key from touched_pairs)'
    ) }}
{%- endmacro %}
