/* SPDX-License-Identifier: GPL-3.0-or-later
 * edgemediad. */
#include "agent/daemon.h"

int main(int argc, char **argv)
{
    return em_daemon_main(argc, argv);
}
