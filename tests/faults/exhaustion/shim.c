/*
 * Preloaded into a process: refuses to let the files of a directory grow beyond a quota, as a file
 * system does that bounds what a user may store. QUOTA_DIRECTORY and QUOTA_BYTES say which. Once the
 * directory has a file named "unlimited", there is no quota any more.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* The bytes of all files of a directory and those in it. */
static long long used_in(const char *directory) {
  DIR *stream = opendir(directory);
  if (!stream) return 0;
  long long used = 0;
  for (struct dirent *entry; (entry = readdir(stream));) {
    char path[PATH_MAX];
    struct stat status;
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    if (snprintf(path, sizeof path, "%s/%s", directory, entry->d_name) >= (int)sizeof path) continue;
    if (lstat(path, &status) != 0) continue;
    if (S_ISDIR(status.st_mode)) used += used_in(path);
    else if (S_ISREG(status.st_mode)) used += (long long)status.st_blocks * 512;
  }
  closedir(stream);
  return used;
}

/* Whether a file may be written up to an offset. */
static int may_grow(int descriptor, long long end) {
  const char *directory = getenv("QUOTA_DIRECTORY"), *quota = getenv("QUOTA_BYTES");
  struct stat status;
  if (!directory || !quota || fstat(descriptor, &status) != 0) return 1;
  if (!S_ISREG(status.st_mode) || end <= status.st_size) return 1;
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 1;
  path[length] = 0;
  size_t prefix = strlen(directory);
  if (strncmp(path, directory, prefix) != 0 || path[prefix] != '/') return 1;
  int before = errno;
  char unlimited[PATH_MAX];
  snprintf(unlimited, sizeof unlimited, "%s/unlimited", directory);
  int may = used_in(directory) + (end - status.st_size) <= atoll(quota) ||
            access(unlimited, F_OK) == 0;
  errno = may ? before : EDQUOT;
  return may;
}

static long long length_of(const struct iovec *parts, int count) {
  long long length = 0;
  for (int index = 0; index < count; index++) length += (long long)parts[index].iov_len;
  return length;
}

static long long place_of(int descriptor) {
  struct stat status;
  int flags = fcntl(descriptor, F_GETFL);
  if (flags != -1 && (flags & O_APPEND) && fstat(descriptor, &status) == 0) return status.st_size;
  off64_t place = lseek64(descriptor, 0, SEEK_CUR);
  return place < 0 ? 0 : place;
}

ssize_t write(int descriptor, const void *bytes, size_t length) {
  if (!may_grow(descriptor, place_of(descriptor) + (long long)length)) return -1;
  long written = syscall(SYS_write, descriptor, bytes, length);
  return written;
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off64_t offset) {
  if (!may_grow(descriptor, offset + (long long)length)) return -1;
  return syscall(SYS_pwrite64, descriptor, bytes, length, offset);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t offset) {
  return pwrite64(descriptor, bytes, length, offset);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
  if (!may_grow(descriptor, place_of(descriptor) + length_of(parts, count))) return -1;
  return syscall(SYS_writev, descriptor, parts, count);
}

ssize_t pwritev64(int descriptor, const struct iovec *parts, int count, off64_t offset) {
  if (!may_grow(descriptor, offset + length_of(parts, count))) return -1;
  return syscall(SYS_pwritev, descriptor, parts, count, (long)offset, 0L);
}

ssize_t pwritev(int descriptor, const struct iovec *parts, int count, off_t offset) {
  return pwritev64(descriptor, parts, count, offset);
}

int ftruncate64(int descriptor, off64_t length) {
  if (!may_grow(descriptor, length)) return -1;
  return (int)syscall(SYS_ftruncate, descriptor, length);
}

int ftruncate(int descriptor, off_t length) {
  return ftruncate64(descriptor, length);
}
