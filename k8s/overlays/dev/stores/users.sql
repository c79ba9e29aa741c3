CREATE DATABASE IF NOT EXISTS interaction CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS 'migrator'@'%' IDENTIFIED BY 'dev-only-migrator';
GRANT ALL ON interaction.* TO 'migrator'@'%' WITH GRANT OPTION;
CREATE USER IF NOT EXISTS 'persister'@'%' IDENTIFIED BY 'dev-only-persister';
GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE ON interaction.* TO 'persister'@'%';
CREATE USER IF NOT EXISTS 'handlers'@'%' IDENTIFIED BY 'dev-only-handlers';
ALTER USER 'handlers'@'%' WITH MAX_USER_CONNECTIONS 300;
