-- Grain: one row per record of a file of city_stores.stores; none is left out.
-- A list holds from the day in its name on, until the next list that has the store.
{% set delivered = [
    'store', 'store_name', 'format', 'region', 'country', 'currency', 'time_zone', 'day_ends_at', 'opened', 'closed',
    'refurbished_from', 'refurbished_to',
] %}

-- a later end would take sales of the morning for those of the day before
{% set day_ends_at %}
    case when {{ matches('day_ends_at_text', '^(0[0-9]|1[01]):[0-5][0-9]$') }} then day_ends_at_text end
{% endset %}

{% set columns = [
    {'name': 'store_id', 'from': 'store', 'required': true},
    {'name': 'store_name'},
    {'name': 'store_format', 'from': 'format'},
    {'name': 'region'},
    {'name': 'country'},
    {'name': 'currency', 'required': true},
    {'name': 'time_zone'},
    {'name': 'day_ends_at', 'from': 'day_ends_at', 'is': day_ends_at, 'checks': [
        ('day_ends_at:not_a_time', 'day_ends_at_text is not null and day_ends_at is null'),
    ]},
    {'name': 'opened_date', 'from': 'opened', 'cast': 'date'},
    {'name': 'closed_date', 'from': 'closed', 'cast': 'date'},
    {'name': 'refurbished_from_date', 'from': 'refurbished_from', 'cast': 'date'},
    {'name': 'refurbished_to_date', 'from': 'refurbished_to', 'cast': 'date'},
    {'name': 'period_start_date', 'of_file': true},
    {'name': 'delivery_key', 'of_file': true},
] %}

{{ staging_model(source('city_stores', 'stores'), delivered, columns) }}
