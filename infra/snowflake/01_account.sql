-- Once per account, as ACCOUNTADMIN: what stands outside the database.
-- Two roles, so that the function that loads owns nothing and the owner of the objects never logs in by itself.
CREATE ROLE IF NOT EXISTS &{owner_role};
CREATE ROLE IF NOT EXISTS &{load_role};
GRANT ROLE &{owner_role} TO ROLE SYSADMIN;
GRANT ROLE &{load_role} TO ROLE SYSADMIN;

-- A warehouse of its own: its cost is the cost of the load, and 60 s is the shortest time that is billed.
-- 600 s: a merge of one window takes seconds. What runs longer is stuck, and the transaction is rolled back.
CREATE WAREHOUSE IF NOT EXISTS &{warehouse}
  WAREHOUSE_SIZE = XSMALL
  AUTO_SUSPEND = 60
  AUTO_RESUME = TRUE
  INITIALLY_SUSPENDED = TRUE
  STATEMENT_TIMEOUT_IN_SECONDS = 600;

-- A service user has no password: it logs in by key pair only.
-- A second key is set with RSA_PUBLIC_KEY_2 while keys are rotated.
CREATE USER IF NOT EXISTS &{load_user}
  TYPE = SERVICE
  DEFAULT_ROLE = &{load_role}
  DEFAULT_WAREHOUSE = &{warehouse}
  RSA_PUBLIC_KEY = '&{public_key}';
GRANT ROLE &{load_role} TO USER &{load_user};

-- Snowflake reads the bucket as this AWS role. It reads below the prefix and writes nowhere.
CREATE STORAGE INTEGRATION IF NOT EXISTS &{integration}
  TYPE = EXTERNAL_STAGE
  STORAGE_PROVIDER = 'S3'
  ENABLED = TRUE
  STORAGE_AWS_ROLE_ARN = '&{aws_role_arn}'
  STORAGE_ALLOWED_LOCATIONS = ('s3://&{bucket}/&{prefix}/');

CREATE DATABASE IF NOT EXISTS &{database};
GRANT USAGE ON INTEGRATION &{integration} TO ROLE &{owner_role};
GRANT USAGE ON WAREHOUSE &{warehouse} TO ROLE &{owner_role};
GRANT USAGE, CREATE SCHEMA ON DATABASE &{database} TO ROLE &{owner_role};
-- The rest of what the load role may do stands in 04_grants.sql and belongs to the owner role.
GRANT USAGE ON WAREHOUSE &{warehouse} TO ROLE &{load_role};
GRANT USAGE ON DATABASE &{database} TO ROLE &{load_role};
