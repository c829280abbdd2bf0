/* Every statement, in the order of wsrt_sqlite_sql. Rows are walked by `seq`, which a record keeps
 * for life. */
#include "sqlite/internal.h"

#define BRIEF "seq,id,user_id,connected_at,last_active_at,expires_at"
#define WHOLE BRIEF ",epoch,source_ip,user_agent,node,principal,filters"
#define LIVE "(expires_at=0 OR expires_at>?2)"
#define WALK " FROM connection WHERE seq>?1 AND " LIVE " AND (?3=0 OR user_id<>'') ORDER BY seq"
#define RING                                                                                       \
    " FROM connection WHERE user_id=?4 AND user_id<>'' AND seq>?1 AND " LIVE " ORDER BY seq"
#define ENTRY                                                                                      \
    "SELECT message_id,session_id,connection_id,user_id,content,author,timestamp,expires_at "      \
    "FROM message WHERE session_id=?1 AND (expires_at=0 OR expires_at>?2)"
#define NEWEST_FIRST " ORDER BY timestamp DESC,message_id DESC"

static const char *const texts[WSRT_SQL_STATEMENTS] = {
    [WSRT_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [WSRT_SQL_COMMIT] = "COMMIT",
    [WSRT_SQL_ROLLBACK] = "ROLLBACK",
    [WSRT_SQL_MARK] = "UPDATE store SET settled=settled+1",
    [WSRT_SQL_FIND] = "SELECT expires_at FROM connection WHERE id=?1",
    [WSRT_SQL_INSERT] = "INSERT INTO connection(id,user_id,connected_at,last_active_at,expires_at,"
                        "epoch,source_ip,user_agent,node,principal,filters) "
                        "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)",
    [WSRT_SQL_REPLACE] = "UPDATE connection SET user_id=?2,connected_at=?3,last_active_at=?4,"
                         "expires_at=?5,epoch=?6,source_ip=?7,user_agent=?8,node=?9,principal=?10,"
                         "filters=?11 WHERE id=?1",
    [WSRT_SQL_REMOVE] = "DELETE FROM connection WHERE id=?1 AND (?2=0 OR connected_at=?2)",
    [WSRT_SQL_TOUCH] = "UPDATE connection SET last_active_at=?2,expires_at=?3 "
                       "WHERE id=?1 AND (expires_at=0 OR expires_at>?4)",
    [WSRT_SQL_SET_PRINCIPAL] = "UPDATE connection SET user_id=?2,principal=?3 WHERE id=?1",
    [WSRT_SQL_SET_FILTERS] = "UPDATE connection SET filters=?2 WHERE id=?1",
    [WSRT_SQL_EXPIRE] = "DELETE FROM connection WHERE seq IN (SELECT seq FROM connection "
                        "WHERE expires_at<>0 AND expires_at<=?1 LIMIT ?2)",
    [WSRT_SQL_PURGE] = "DELETE FROM connection WHERE node=?1 AND epoch<?2",
    [WSRT_SQL_GET] = "SELECT " WHOLE " FROM connection WHERE id=?1 AND " LIVE,
    [WSRT_SQL_EACH] = "SELECT " WHOLE WALK,
    [WSRT_SQL_EACH_BRIEF] = "SELECT " BRIEF WALK,
    [WSRT_SQL_EACH_OF_USER] = "SELECT " WHOLE RING,
    [WSRT_SQL_EACH_OF_USER_BRIEF] = "SELECT " BRIEF RING,
    [WSRT_SQL_COUNT_LIVE] = "SELECT (SELECT count(*) FROM connection)-(SELECT count(*) "
                            "FROM connection WHERE expires_at<>0 AND expires_at<=?1)",
    [WSRT_SQL_APPEND] = "INSERT INTO message(message_id,session_id,connection_id,user_id,content,"
                        "author,timestamp,expires_at) VALUES(?1,?2,?3,?4,?5,?6,?7,?8) "
                        "ON CONFLICT(session_id,message_id) DO NOTHING",
    [WSRT_SQL_PRUNE] = "DELETE FROM message WHERE seq IN "
                       "(SELECT seq FROM message ORDER BY seq LIMIT ?1)",
    [WSRT_SQL_EXPIRE_MESSAGES] = "DELETE FROM message WHERE seq IN (SELECT seq FROM message "
                                 "WHERE expires_at<>0 AND expires_at<=?1 LIMIT ?2)",
    [WSRT_SQL_LIST] = ENTRY NEWEST_FIRST,
    [WSRT_SQL_LIST_ON] = ENTRY " AND (timestamp,message_id)<(?3,?4)" NEWEST_FIRST,
    [WSRT_SQL_FIND_LATEST] = "SELECT timestamp FROM latest WHERE key=?1",
    [WSRT_SQL_INSERT_LATEST] = "INSERT INTO latest(key,value,timestamp) VALUES(?1,?2,?3)",
    [WSRT_SQL_REPLACE_LATEST] = "UPDATE latest SET value=?2,timestamp=?3 WHERE key=?1",
    [WSRT_SQL_REMOVE_LATEST] = "DELETE FROM latest WHERE key=?1",
    [WSRT_SQL_EACH_LATEST] = "SELECT seq,key,value,timestamp FROM latest WHERE seq>?1 ORDER BY seq",
};

sqlite3_stmt *wsrt_sqlite_statement(wsrt_sqlite_link *link, wsrt_sqlite_sql which)
{
    sqlite3_stmt **st = &link->prepared[which];

    if (*st == NULL)
        sqlite3_prepare_v3(link->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, st, NULL);
    return *st;
}

void wsrt_sqlite_link_close(wsrt_sqlite_link *link)
{
    for (int i = 0; i < WSRT_SQL_STATEMENTS; i++)
        sqlite3_finalize(link->prepared[i]);
    sqlite3_close(link->db);
}
