/// What every session of MySQL sets, whatever the server's defaults are. To set more, append `, variable = value`.
///
/// It is one statement, so it takes one round trip.
///
/// - `MariaDB` before 11.1 has another name for the isolation, so each server has a comment that it alone executes
///   (<https://mariadb.com/docs/server/reference/sql-structure/comment-syntax>). READ COMMITTED takes no gap locks, so
///   writers of neighbouring rows never wait for each other
///   (<https://dev.mysql.com/doc/refman/8.4/en/innodb-transaction-isolation-levels.html>).
/// - UTC, because in a zone with summer time one hour of the year occurs twice.
/// - The mode is MySQL's default without `ONLY_FULL_GROUP_BY`, in which the two servers differ. A stored procedure keeps
///   the mode of the session that created it.
pub const SESSION: &str = "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci, autocommit = 1, sql_safe_updates = 0,
    time_zone = '+00:00',
    sql_mode = 'STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'
    /*!80000 , transaction_isolation = 'READ-COMMITTED' */ /*M! , tx_isolation = 'READ-COMMITTED' */";
