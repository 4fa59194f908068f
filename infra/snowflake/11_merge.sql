-- At each window, as the load role: landed rows into `records`, then off the landing table.
-- One request of five statements, MULTI_STATEMENT_COUNT = 5. Cut anywhere it leaves the tables as they were.
-- Each statement is also right by itself, so that even without the transaction a cut or a repetition does no harm.
BEGIN TRANSACTION;

-- Of two merges the second waits here until the first has ended. Without it both could read `records` from before
-- either had written, and each insert the same new key: a statement sees what was committed before it began.
-- Two sessions that overlap may still see each other's commits late (READ_CONSISTENCY_MODE), so the function merges
-- under a lease of the schema, one request after the other, and this row guards against one that is held twice.
UPDATE &{database}.&{schema}.merge_turn SET turns = turns + 1;

-- Only a greater version wins (REG-1), and of one version the newer file: what a person edited, or had loaded again,
-- has the version it had. Of several landed rows of a key the greatest goes in, so that a repetition chooses the same.
-- A row whose digest does not hold never enters: it stays landed and 24_unsound.sql shows it.
MERGE INTO &{database}.&{schema}.records AS r
USING (
  SELECT * FROM &{database}.&{schema}.landing_checked
  WHERE digest = digest_now
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY flow, record_key
    ORDER BY source_version DESC, revision DESC, read_number DESC, loaded_from DESC, file_row DESC
  ) = 1
) AS l
ON r.flow = l.flow AND r.record_key = l.record_key
WHEN MATCHED AND (
  l.source_version > r.source_version
  OR (l.source_version = r.source_version AND l.revision > r.revision)
  OR (l.source_version = r.source_version AND l.revision = r.revision AND l.read_number > r.read_number)
  OR (l.source_version = r.source_version AND l.revision = r.revision AND l.read_number = r.read_number
      AND l.loaded_from > r.loaded_from)
) THEN UPDATE SET
  source_version = l.source_version,
  revision = l.revision,
  read_number = l.read_number,
  deleted = l.deleted,
  content_hash = l.content_hash,
  content = l.content,
  digest = l.digest,
  fields = l.fields,
  loaded_from = l.loaded_from,
  merged_at = CURRENT_TIMESTAMP()
WHEN NOT MATCHED THEN INSERT
  (flow, record_key, source_version, revision, read_number, deleted, content_hash, content, digest, fields, loaded_from, merged_at)
VALUES
  (l.flow, l.record_key, l.source_version, l.revision, l.read_number, l.deleted, l.content_hash, l.content, l.digest,
   l.fields, l.loaded_from, CURRENT_TIMESTAMP());

-- A landed row may go when `records` holds a greater version, or its version of its file or a newer one, and for no
-- other reason. So a row that landed after the merge stays for the next one, without a list of what was merged.
DELETE FROM &{database}.&{schema}.landing
USING &{database}.&{schema}.records AS r
WHERE r.flow = landing.flow AND r.record_key = landing.record_key
  AND (
    r.source_version > landing.source_version
    OR (r.source_version = landing.source_version AND r.revision > landing.revision)
    OR (r.source_version = landing.source_version AND r.revision = landing.revision
        AND r.read_number > landing.read_number)
    OR (r.source_version = landing.source_version AND r.revision = landing.revision
        AND r.read_number = landing.read_number AND r.loaded_from >= SPLIT_PART(landing.file_name, '/', -1))
  );

COMMIT;
