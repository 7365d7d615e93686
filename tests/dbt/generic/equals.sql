{% test equals(model, left, right) %}

-- NULL against a value fails, NULL against NULL passes; a plain <> would let the first through.
select *
from {{ model }}
where ({{ left }}) is distinct from ({{ right }})

{% endtest %}
