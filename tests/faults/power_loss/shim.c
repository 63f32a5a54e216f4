/*
 * Preloaded into a process that writes a database: records in one totally ordered log what it
 * writes into the data file, what it flushes, and when a flush has come back. What the process
 * itself appends to the log (its log file is opened for appending by both) stands between.
 *
 * A write is logged before it is made: from then on any part of it may be on disk. A flush is logged
 * before it begins and after it has ended: by then everything is on disk whose write had ended
 * before it began.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind {
  WRITE = 1,      /* offset, bytes; id */
  WRITTEN = 2,    /* id: the write has ended */
  FLUSH = 3,      /* id */
  FLUSHED = 4,    /* id */
  DURABLE = 5,    /* id: the write has ended, and is on disk: its descriptor is O_DSYNC */
  RESIZE = 6,     /* offset: the new length; id */
  DIRECTORY = 7,  /* the directory has been flushed */
  LINK = 9,       /* the file has got its name */
  UNSEEN = 8,     /* the file is written in a way that is not recorded */
};

struct header {
  uint32_t kind;
  uint32_t length; /* of what follows */
  uint64_t offset;
  uint64_t id;
  uint64_t file; /* its inode */
};

static int log_descriptor = -1;
static char directory_path[4096];
static long flush_nanoseconds;
static uint64_t last_id;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void start(void) {
  const char *log = getenv("POWER_LOSS_LOG");
  const char *directory = getenv("POWER_LOSS_DIRECTORY");
  const char *flush = getenv("POWER_LOSS_FLUSH_US");
  if (!log || !directory) return;
  snprintf(directory_path, sizeof directory_path, "%s", directory);
  flush_nanoseconds = flush ? atol(flush) * 1000 : 0;
  log_descriptor = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CLOEXEC, 0);
}

static void die(const char *what) {
  fprintf(stderr, "power_loss/shim.c: %s: %s\n", what, strerror(errno));
  _exit(99);
}

/* One record by one write, which the kernel appends as a whole. */
static uint64_t record_parts(enum kind kind, uint64_t file, uint64_t id, uint64_t offset,
                             const struct iovec *parts, int count) {
  struct iovec all[1 + 1024];
  struct header header = { kind, 0, offset, id, file };
  size_t length = 0;
  if (count > 1024) die("too many parts");
  for (int i = 0; i < count; i++) {
    all[1 + i] = parts[i];
    length += parts[i].iov_len;
  }
  header.length = length;
  all[0] = (struct iovec){ &header, sizeof header };
  pthread_mutex_lock(&mutex);
  /* Several processes write to one log. */
  if (id == 0) header.id = ((uint64_t)getpid() << 30) + ++last_id;
  ssize_t written = syscall(SYS_writev, log_descriptor, all, 1 + count);
  pthread_mutex_unlock(&mutex);
  if (written != (ssize_t)(sizeof header + length)) die("cannot write the log");
  return header.id;
}

static uint64_t record(enum kind kind, int descriptor, uint64_t id, uint64_t offset,
                       const struct iovec *parts, int count) {
  struct stat status;
  uint64_t file = fstat(descriptor, &status) == 0 ? status.st_ino : 0;
  return record_parts(kind, file, id, offset, parts, count);
}

/* Where the file of a descriptor is, below the directory of the database; NULL elsewhere. */
static const char *place_of(int descriptor, char *target, size_t size) {
  char link[64];
  size_t above = strlen(directory_path);
  if (log_descriptor < 0) return NULL;
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, target, size - 1);
  if (length < 0) return NULL;
  target[length] = 0;
  return strncmp(target, directory_path, above) == 0 ? target + above : NULL;
}

static int is_directory(int descriptor) {
  char target[4096];
  const char *place = place_of(descriptor, target, sizeof target);
  return place && *place == 0;
}

/* It may be made in a directory of its own, before it gets its name. */
static int is_data(int descriptor) {
  char target[4096];
  const char *place = place_of(descriptor, target, sizeof target);
  const char *name = place ? strrchr(place, '/') : NULL;
  return name && strcmp(name, "/data.mdb") == 0;
}

static enum kind end_of_write(int descriptor) {
  int flags = fcntl(descriptor, F_GETFL);
  return flags != -1 && (flags & O_DSYNC) ? DURABLE : WRITTEN;
}

/* A write that is cut short or fails has only been logged too generously if nothing of it counts. */
static ssize_t ended(int descriptor, uint64_t id, ssize_t result) {
  int error = errno;
  record(end_of_write(descriptor), descriptor, id, 0, NULL, 0);
  errno = error;
  return result;
}

static ssize_t write_parts(int descriptor, const struct iovec *parts, int count, off64_t offset) {
  uint64_t id = record(WRITE, descriptor, 0, offset, parts, count);
  return ended(descriptor, id, syscall(SYS_pwritev, descriptor, parts, count, offset, 0));
}

ssize_t pwritev64(int descriptor, const struct iovec *parts, int count, off64_t offset) {
  if (is_data(descriptor)) return write_parts(descriptor, parts, count, offset);
  return syscall(SYS_pwritev, descriptor, parts, count, offset, 0);
}

ssize_t pwritev(int descriptor, const struct iovec *parts, int count, off_t offset) {
  return pwritev64(descriptor, parts, count, offset);
}

ssize_t pwritev2(int descriptor, const struct iovec *parts, int count, off_t offset, int flags) {
  if (!is_data(descriptor)) {
    return syscall(SYS_pwritev2, descriptor, parts, count, offset, 0, flags);
  }
  record(UNSEEN, descriptor, 0, 0, NULL, 0);
  return write_parts(descriptor, parts, count, offset);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off64_t offset) {
  struct iovec part = { (void *)bytes, length };
  if (is_data(descriptor)) return write_parts(descriptor, &part, 1, offset);
  return syscall(SYS_pwrite64, descriptor, bytes, length, offset);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t offset) {
  return pwrite64(descriptor, bytes, length, offset);
}

/*
 * What is appended goes to the end of the file, wherever that is by then: no other process may append
 * in between.
 */
static ssize_t append(int descriptor, const void *bytes, size_t length) {
  struct iovec part = { (void *)bytes, length };
  struct stat status;
  if (flock(log_descriptor, LOCK_EX) != 0) die("cannot lock the log");
  if (fstat(descriptor, &status) != 0) die("cannot tell the end of the file");
  uint64_t id = record(WRITE, descriptor, 0, status.st_size, &part, 1);
  ssize_t result = ended(descriptor, id, syscall(SYS_write, descriptor, bytes, length));
  int error = errno;
  flock(log_descriptor, LOCK_UN);
  errno = error;
  return result;
}

/* These move the position of the descriptor, which the kernel must do. */
ssize_t writev(int descriptor, const struct iovec *parts, int count) {
  if (!is_data(descriptor)) return syscall(SYS_writev, descriptor, parts, count);
  uint64_t id = record(WRITE, descriptor, 0, lseek64(descriptor, 0, SEEK_CUR), parts, count);
  return ended(descriptor, id, syscall(SYS_writev, descriptor, parts, count));
}

ssize_t write(int descriptor, const void *bytes, size_t length) {
  struct iovec part = { (void *)bytes, length };
  if (!is_data(descriptor)) return syscall(SYS_write, descriptor, bytes, length);
  int flags = fcntl(descriptor, F_GETFL);
  if (flags != -1 && (flags & O_APPEND)) return append(descriptor, bytes, length);
  uint64_t id = record(WRITE, descriptor, 0, lseek64(descriptor, 0, SEEK_CUR), &part, 1);
  return ended(descriptor, id, syscall(SYS_write, descriptor, bytes, length));
}

int ftruncate64(int descriptor, off64_t length) {
  if (!is_data(descriptor)) return syscall(SYS_ftruncate, descriptor, length);
  uint64_t id = record(RESIZE, descriptor, 0, length, NULL, 0);
  return ended(descriptor, id, syscall(SYS_ftruncate, descriptor, length));
}

int ftruncate(int descriptor, off_t length) { return ftruncate64(descriptor, length); }

int fallocate64(int descriptor, int mode, off64_t offset, off64_t length) {
  if (is_data(descriptor)) record(UNSEEN, descriptor, 0, 0, NULL, 0);
  return syscall(SYS_fallocate, descriptor, mode, offset, length);
}

int fallocate(int descriptor, int mode, off_t offset, off_t length) {
  return fallocate64(descriptor, mode, offset, length);
}

int posix_fallocate64(int descriptor, off64_t offset, off64_t length) {
  return fallocate64(descriptor, 0, offset, length) == 0 ? 0 : errno;
}

int posix_fallocate(int descriptor, off_t offset, off_t length) {
  return posix_fallocate64(descriptor, offset, length);
}

/* A disk needs a while. What the process does meanwhile is what is tried. */
static void take_time(void) {
  struct timespec time = { 0, flush_nanoseconds };
  if (flush_nanoseconds > 0) nanosleep(&time, NULL);
}

static int flush(long call, int descriptor) {
  if (!is_data(descriptor)) {
    int result = syscall(call, descriptor);
    if (result == 0 && is_directory(descriptor)) record(DIRECTORY, descriptor, 0, 0, NULL, 0);
    return result;
  }
  uint64_t id = record(FLUSH, descriptor, 0, 0, NULL, 0);
  take_time();
  int result = syscall(call, descriptor);
  int error = errno;
  if (result == 0) record(FLUSHED, descriptor, id, 0, NULL, 0);
  errno = error;
  return result;
}

int fsync(int descriptor) { return flush(SYS_fsync, descriptor); }

int fdatasync(int descriptor) { return flush(SYS_fdatasync, descriptor); }

/* It promises nothing of what fdatasync does, so it counts for nothing. */
int sync_file_range(int descriptor, off64_t offset, off64_t length, unsigned int flags) {
  return syscall(SYS_sync_file_range, descriptor, offset, length, flags);
}

static int named(const char *path, int result) {
  size_t above = strlen(directory_path);
  if (result == 0 && log_descriptor >= 0 && strncmp(path, directory_path, above) == 0 &&
      strcmp(path + above, "/data.mdb") == 0) {
    struct stat status;
    if (stat(path, &status) != 0) die("cannot find what was linked");
    record_parts(LINK, status.st_ino, 0, 0, NULL, 0);
  }
  return result;
}

int linkat(int from_directory, const char *from, int to_directory, const char *to, int flags) {
  return named(to, syscall(SYS_linkat, from_directory, from, to_directory, to, flags));
}

int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

/* Of what is written through a map the log would know nothing. */
void *mmap64(void *address, size_t length, int protection, int flags, int descriptor,
             off64_t offset) {
  if (descriptor >= 0 && (flags & MAP_SHARED) && (protection & PROT_WRITE) &&
      is_data(descriptor)) {
    record(UNSEEN, descriptor, 0, 0, NULL, 0);
  }
  return (void *)syscall(SYS_mmap, address, length, protection, flags, descriptor, offset);
}

void *mmap(void *address, size_t length, int protection, int flags, int descriptor,
           off_t offset) {
  return mmap64(address, length, protection, flags, descriptor, offset);
}
