-- Where a bucket differs: its rows, to be compared one by one. What is missing or older is staged again.
SELECT record_key, source_version, revision, read_number, deleted, digest_now
FROM &{database}.&{schema}.records_checked
WHERE flow = ? AND bucket = ?
ORDER BY record_key;
