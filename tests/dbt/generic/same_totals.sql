{% test same_totals(model, by, totals, other, other_by=none, other_totals=none) %}

-- Groups in which sums or counts of the model differ from those of another relation: rows were lost or doubled between.
{{ different_totals(model, by, totals, other, other_by, other_totals) }}

{% endtest %}
