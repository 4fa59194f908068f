-- Rows of a flow that are not what was sent: the digest over the columns is not the one that came with the row, the
-- fields are not those of the text, a record that is there has none, or a deleted one has some (bindings: flow, flow).
-- 1000: a person looks at a few. The counts of how many differ come from the checksums.
SELECT 'records' AS held_in, record_key, source_version, revision, read_number
FROM &{database}.&{schema}.records_checked
WHERE flow = ?
  AND (
    digest <> digest_now
    OR TO_JSON(fields) IS DISTINCT FROM TO_JSON(fields_now)
    OR deleted <> (fields IS NULL)
  )
UNION ALL
SELECT 'landing' AS held_in, record_key, source_version, revision, read_number
FROM &{database}.&{schema}.landing_checked
WHERE flow = ? AND digest <> digest_now
ORDER BY 1, 2
LIMIT 1000;
