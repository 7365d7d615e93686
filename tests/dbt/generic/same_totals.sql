{% test same_totals(model, by, totals, other, other_by=none, other_totals=none) %}

-- Groups whose sums or counts differ from those of another relation: rows were lost or doubled in between.
{{ different_totals(model, by, totals, other, other_by, other_totals) }}

{% endtest %}
