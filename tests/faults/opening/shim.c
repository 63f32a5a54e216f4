/*
 * Preloaded into a process that opens a database: makes it slow between reading the number of the
 * last transaction and writing it into the lock file, which is when it maps the data file.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int is_data(int descriptor) {
  static const char name[] = "/data.mdb";
  char link[64], target[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = syscall(SYS_readlinkat, -1, link, target, sizeof target);
  size_t wanted = sizeof name - 1;
  return length >= (ssize_t)wanted && memcmp(target + length - wanted, name, wanted) == 0;
}

void *mmap64(void *address, size_t length, int protection, int flags, int descriptor,
             off64_t offset) {
  struct timespec time = { 0, 10 * 1000 * 1000 };
  if (descriptor >= 0 && is_data(descriptor)) nanosleep(&time, NULL);
  return (void *)syscall(SYS_mmap, address, length, protection, flags, descriptor, offset);
}

void *mmap(void *address, size_t length, int protection, int flags, int descriptor,
           off_t offset) {
  return mmap64(address, length, protection, flags, descriptor, offset);
}
