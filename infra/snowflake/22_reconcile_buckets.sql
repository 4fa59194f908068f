-- Where a flow's checksum differs: the same per bucket, the first two hex digits of SHA-256 of the key.
SELECT
  bucket,
  COUNT(*) AS held,
  COUNT_IF(deleted) AS deleted,
  SUM(TO_NUMBER(SUBSTR(digest_now, 1, 15), 'XXXXXXXXXXXXXXX'))::VARCHAR AS checksum
FROM &{database}.&{schema}.records_checked
WHERE flow = ?
GROUP BY bucket
ORDER BY bucket;
