{% test unique_combination(model, columns) %}

-- Two rows whose key is NULL in the same columns are duplicates too: group by treats NULLs as equal.
select
    {{ columns | join(', ') }},
    count(*) as row_count
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1

{% endtest %}
