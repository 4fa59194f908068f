-- Rows that wait for a merge and the age of the oldest in seconds, for the freshness of 15 minutes.
SELECT COUNT(*) AS waiting, DATEDIFF(second, MIN(landed_at), CURRENT_TIMESTAMP()) AS oldest_seconds
FROM &{database}.&{schema}.landing;
