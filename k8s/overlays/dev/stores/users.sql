CREATE DATABASE IF NOT EXISTS interaction CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS 'persister'@'%' IDENTIFIED BY 'dev-only-persister';
GRANT ALL ON interaction.* TO 'persister'@'%' WITH GRANT OPTION;
CREATE USER IF NOT EXISTS 'handlers'@'%' IDENTIFIED BY 'dev-only-handlers';
ALTER USER 'handlers'@'%' WITH MAX_USER_CONNECTIONS 300;
