-- Per flow: what `records` holds, to be equal to what the registers hold.
-- `checksum` is the sum of the first 60 bits of each digest as it is computed now, so the order of rows does not
-- matter. 60 bits are 15 hex digits, and 2^60 times 10^18 rows still fits the 38 digits of a NUMBER.
-- A sum and not an exclusive or: a row held twice would cancel itself out there. `duplicates` names that case.
SELECT
  flow,
  COUNT(*) AS held,
  COUNT_IF(deleted) AS deleted,
  COUNT(*) - COUNT(DISTINCT record_key) AS duplicates,
  SUM(TO_NUMBER(SUBSTR(digest_now, 1, 15), 'XXXXXXXXXXXXXXX'))::VARCHAR AS checksum
FROM &{database}.&{schema}.records_checked
GROUP BY flow
ORDER BY flow;
