-- Once per database, as the owner role: tables and views. Safe to repeat.
CREATE SCHEMA IF NOT EXISTS &{database}.&{schema};

-- What the pipe has read and no merge has settled yet. A line of a file is one row.
-- Transient and without time travel: the files in S3 are the copy to fall back on.
CREATE TRANSIENT TABLE IF NOT EXISTS &{database}.&{schema}.landing (
  flow           VARCHAR NOT NULL,
  record_key     VARCHAR NOT NULL,
  -- Widths hold a u64, a u32 and a u64. The order of versions is (source, revision, read), REG-1.
  source_version NUMBER(20, 0) NOT NULL,
  revision       NUMBER(10, 0) NOT NULL,
  read_number    NUMBER(20, 0) NOT NULL,
  deleted        BOOLEAN NOT NULL,
  -- The register's content hash. It is taken over a tagged binary form, so SQL carries it and cannot compute it.
  content_hash   VARCHAR NOT NULL,
  -- The canonical JSON text, byte for byte: VARIANT would lose how a number was written. NULL for a deletion.
  content        VARCHAR,
  -- SHA-256 over all of the above as the views below spell it, taken before the line was written.
  digest         VARCHAR NOT NULL,
  file_name      VARCHAR NOT NULL,
  file_row       NUMBER(18, 0) NOT NULL,
  landed_at      TIMESTAMP_LTZ NOT NULL
)
DATA_RETENTION_TIME_IN_DAYS = 0;

-- One row per record: its newest version. A deletion is a row without content, so that nothing older revives it.
-- Transient, so without the seven days of Fail-safe: what somebody wished to be forgotten is gone after the day of
-- time travel, and the registers have all that a lost table had.
-- No primary key is declared, since Snowflake would not enforce it: merge_turn keeps a record to one row, and
-- 21_reconcile_flows.sql counts duplicates.
CREATE TRANSIENT TABLE IF NOT EXISTS &{database}.&{schema}.records (
  flow           VARCHAR NOT NULL,
  record_key     VARCHAR NOT NULL,
  source_version NUMBER(20, 0) NOT NULL,
  revision       NUMBER(10, 0) NOT NULL,
  read_number    NUMBER(20, 0) NOT NULL,
  deleted        BOOLEAN NOT NULL,
  content_hash   VARCHAR NOT NULL,
  content        VARCHAR,
  digest         VARCHAR NOT NULL,
  fields         VARIANT,
  -- The file it came with, without folders: its name begins with the moment of its load, and orders what was loaded
  -- of one version.
  loaded_from    VARCHAR NOT NULL,
  -- For people only. No order of versions ever comes from it.
  merged_at      TIMESTAMP_LTZ NOT NULL
)
DATA_RETENTION_TIME_IN_DAYS = 1;

-- One row that every merge writes first. Its lock makes the second of two merges wait, and only then read `records`.
CREATE TABLE IF NOT EXISTS &{database}.&{schema}.merge_turn (turns NUMBER(18, 0) NOT NULL);
INSERT INTO &{database}.&{schema}.merge_turn (turns)
  SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM &{database}.&{schema}.merge_turn);

-- The digest again, from what the columns hold now. Both views and the writer of the files spell it alike:
--   version as Version::encode writes it, 1 or 0 for deleted, content_hash, flow, key, content, joined by line feeds.
-- It reads in one way only: the first three have a fixed width, a flow has no line feed, and neither has compact JSON.
-- TRY_: a text that is no JSON must not stop the merge of all other records, and 24_unsound.sql shows it.
CREATE OR REPLACE VIEW &{database}.&{schema}.landing_checked AS
SELECT
  l.*,
  SPLIT_PART(l.file_name, '/', -1) AS loaded_from,
  TRY_PARSE_JSON(l.content) AS fields,
  SHA2(
    LPAD(l.source_version::VARCHAR, 20, '0') || '.' || LPAD(l.revision::VARCHAR, 10, '0') || '.' || LPAD(l.read_number::VARCHAR, 20, '0')
    || CHR(10) || IFF(l.deleted, '1', '0') || CHR(10) || l.content_hash || CHR(10) || l.flow
    || CHR(10) || l.record_key || CHR(10) || COALESCE(l.content, ''), 256) AS digest_now
FROM &{database}.&{schema}.landing AS l;

CREATE OR REPLACE VIEW &{database}.&{schema}.records_checked AS
SELECT
  r.*,
  TRY_PARSE_JSON(r.content) AS fields_now,
  SHA2(
    LPAD(r.source_version::VARCHAR, 20, '0') || '.' || LPAD(r.revision::VARCHAR, 10, '0') || '.' || LPAD(r.read_number::VARCHAR, 20, '0')
    || CHR(10) || IFF(r.deleted, '1', '0') || CHR(10) || r.content_hash || CHR(10) || r.flow
    || CHR(10) || r.record_key || CHR(10) || COALESCE(r.content, ''), 256) AS digest_now,
  -- 256 parts of a flow, so that a difference is found without carrying every key.
  SUBSTR(SHA2(r.record_key, 256), 1, 2) AS bucket
FROM &{database}.&{schema}.records AS r;

-- The orders of all marketplaces as people query them: a flow `orders-NAME` each, with one form of an order.
-- A column is a canonical field of these flows under its own name. Those that the flows call private have none.
-- TRY_ casts: a value of another type is NULL in its cell and does not break the query of everybody else.
-- The flow's schema refuses such a record before it is staged.
CREATE OR REPLACE VIEW &{database}.&{schema}.orders AS
SELECT
  flow,
  record_key,
  fields:marketplace::VARCHAR AS marketplace,
  fields:number::VARCHAR AS number,
  TRY_CAST(fields:placed_at::VARCHAR AS TIMESTAMP_TZ) AS placed_at,
  fields:status::VARCHAR AS status,
  fields:currency::VARCHAR AS currency,
  TRY_TO_DECIMAL(fields:total::VARCHAR, 18, 4) AS total,
  TRY_TO_DECIMAL(fields:units::VARCHAR, 9, 0) AS units,
  fields:country::VARCHAR AS country,
  source_version,
  revision,
  merged_at
FROM &{database}.&{schema}.records
WHERE STARTSWITH(flow, 'orders-') AND NOT deleted;
