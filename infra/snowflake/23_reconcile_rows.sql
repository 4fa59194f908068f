-- Where a bucket differs: its rows, to be compared one by one. What is missing, older or altered is staged again.
-- Bindings: flow, bucket, and the key of the last row that was read, empty at first. A part at a time, so that an
-- answer has a size: a client of the API holds one in memory.
SELECT record_key, source_version, revision, read_number, deleted, digest_now
FROM &{database}.&{schema}.records_checked
WHERE flow = ? AND bucket = ? AND record_key > ?
ORDER BY record_key
LIMIT 10000;
