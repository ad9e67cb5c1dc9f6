/* SPDX-License-Identifier: GPL-3.0-or-later
 * Databases as older versions made them, for tests of what brings them up: made from an empty one of today.
 */
#ifndef TESTS_UNIT_STORE_OLDER_H
#define TESTS_UNIT_STORE_OLDER_H

/* To schema 6: a file's position knows nothing of samples. */
#define OLDER_6                                                                                              \
    "ALTER TABLE position DROP COLUMN rested; ALTER TABLE position DROP COLUMN packed;"                      \
    "ALTER TABLE position DROP COLUMN step; ALTER TABLE position DROP COLUMN samples;"                       \
    "PRAGMA user_version = 6;"
/* To schema 5: what 6 made goes, and the tables that it replaced are themselves again. */
#define OLDER_5                                                                                              \
    OLDER_6                                                                                                  \
    "DROP TABLE call; DROP TABLE failure; DROP TABLE key; DROP TABLE twin; DROP TABLE code; DROP TABLE "     \
    "text;"                                                                                                  \
    "DELETE FROM counter; DELETE FROM meta WHERE name = 'key_secret';"                                       \
    "ALTER TABLE old_call RENAME TO call; ALTER TABLE old_failure RENAME TO failure;"                        \
    "PRAGMA user_version = 5;"
#define OLDER_4 OLDER_5 "DROP TABLE seen; PRAGMA user_version = 4;"
#define OLDER_3 OLDER_4 "DROP TABLE peer; PRAGMA user_version = 3;"
#define OLDER_1                                                                                              \
    OLDER_3 "DROP TABLE finding; DROP TABLE history; DROP TABLE path; DROP TABLE path_history;"              \
            "PRAGMA user_version = 1;"

#endif
