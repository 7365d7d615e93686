-- The twenty pairs of products that are most often in one order beyond chance, over all days.
select
    source_system,
    first_product_name,
    second_product_name,
    pair_order_count,
    support,
    confidence_first_to_second,
    confidence_second_to_first,
    lift
from product_affinity
where cast(%(sources)s as text []) is null or source_system = any(cast(%(sources)s as text []))
order by lift desc, first_product_key, second_product_key
limit 20
