/*
 * Preloaded into a process that creates a database: refuses to give the data file its name with the
 * error LINK_ERROR, and appends the path of each directory that is flushed to the file FLUSH_LOG.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int is_data(const char *path) {
  static const char name[] = "/data.mdb";
  size_t length = strlen(path), wanted = sizeof name - 1;
  return length >= wanted && memcmp(path + length - wanted, name, wanted) == 0;
}

int linkat(int from_directory, const char *from, int to_directory, const char *to, int flags) {
  const char *error = getenv("LINK_ERROR");
  if (error && is_data(to)) {
    errno = atoi(error);
    return -1;
  }
  return syscall(SYS_linkat, from_directory, from, to_directory, to, flags);
}

int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int fsync(int descriptor) {
  const char *log = getenv("FLUSH_LOG");
  struct stat status;
  if (log && fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode)) {
    char link[64], line[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, line, sizeof line - 1);
    int file = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (length > 0 && file >= 0) {
      line[length++] = '\n';
      if (syscall(SYS_write, file, line, length) != length) abort();
      close(file);
    }
  }
  return syscall(SYS_fsync, descriptor);
}
