{% test never_null(model, columns) %}

-- One pass for all columns of a key or contract, where not_null would need one for each column.
select {{ columns | join(', ') }}
from {{ model }}
where {{ columns | join(' is null or ') }} is null

{% endtest %}
