/* A disk that takes its time: fsync and fdatasync wait first, for as many seconds as the file $SLOW_FSYNC_FILE says. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void take_time(void)
{
    const char *name = getenv("SLOW_FSYNC_FILE");
    FILE *file = name ? fopen(name, "r") : NULL;
    double seconds = 0;
    if (!file)
        return;
    if (fscanf(file, "%lf", &seconds) == 1 && seconds > 0) {
        struct timespec delay = {(time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9)};
        nanosleep(&delay, NULL);
    }
    fclose(file);
}

int fsync(int descriptor)
{
    take_time();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(descriptor);
}

int fdatasync(int descriptor)
{
    take_time();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(descriptor);
}
