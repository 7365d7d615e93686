{% test one_of_a_key(model, key, condition, place=none) %}

-- Two rows that meet the condition and have the same key, or with `place` two places of one key. `model` has the rows that changed; the others of their keys are found
-- in the whole relation, as the second one may not have changed.
{%- set relation = tested_relation() or model %}
select
    {{ key | join(', ') }},
    count(*) as row_count
from {{ relation }}
where
    {{ condition }}
    and ({{ key | join(', ') }}) in (select {{ key | join(', ') }} from {{ model }})
group by {{ key | join(', ') }}
having {{ 'min(' ~ place ~ ') < max(' ~ place ~ ')' if place else 'count(*) > 1' }}

{% endtest %}
