-- Once per database, as the owner role: the way of a file from S3 to `landing`.
CREATE FILE FORMAT IF NOT EXISTS &{database}.&{schema}.json_lines
  TYPE = JSON
  COMPRESSION = GZIP;

CREATE STAGE IF NOT EXISTS &{database}.&{schema}.staged
  URL = 's3://&{bucket}/&{prefix}/'
  STORAGE_INTEGRATION = &{integration}
  FILE_FORMAT = (FORMAT_NAME = '&{database}.&{schema}.json_lines');

-- A file is read whole or not at all: SKIP_FILE, because half a file would be a loss that no count shows.
-- A skipped file shows in 31_files_not_loaded.sql. Nothing is lost, since the file stays in S3.
CREATE PIPE IF NOT EXISTS &{database}.&{schema}.landing_pipe
  AUTO_INGEST = TRUE
AS
COPY INTO &{database}.&{schema}.landing (
  flow, record_key, source_version, revision, read_number, deleted, content_hash, content, digest, file_name, file_row, landed_at
)
FROM (
  SELECT
    $1:flow::VARCHAR,
    $1:key::VARCHAR,
    $1:version.source::NUMBER(20, 0),
    $1:version.revision::NUMBER(10, 0),
    $1:version.read::NUMBER(20, 0),
    $1:deleted::BOOLEAN,
    $1:hash::VARCHAR,
    $1:content::VARCHAR,
    $1:digest::VARCHAR,
    METADATA$FILENAME,
    METADATA$FILE_ROW_NUMBER,
    METADATA$START_SCAN_TIME
  FROM @&{database}.&{schema}.staged
)
PATTERN = '.*[.]jsonl[.]gz'
ON_ERROR = 'SKIP_FILE';
