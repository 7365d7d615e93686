-- The partitions of a topic, named by its name, or by its name and its id: name~id. Of several topics of one name, which was
-- deleted and made again, those of the newest.
with named as (
    select * from ledger.stream_positions
    where cluster = %(cluster)s and %(topic)s in (topic, topic || '~' || topic_id)
)
select cluster, cluster_id, topic, topic_id, partition from named
where (cluster_id, topic_id) = (select cluster_id, topic_id from named order by position_id desc limit 1)
order by partition
