/** What dies is missed by no caller: services, real servers and child processes killed while calls flow. */
