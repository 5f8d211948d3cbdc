/*
 * Loses what was written and not synced when the process dies, as a machine does that loses its power.
 *
 * A killed process leaves its writes in the kernel's page cache, so that killing it alone never shows a missing fsync. Preloaded
 * into the process (LD_PRELOAD), this keeps what is written to files under one folder in the process's own memory. Reads, sizes and
 * private maps show it, over every descriptor of the file and after it was closed or renamed. fsync and fdatasync hand it to the
 * real file. Whatever is not handed over dies with the process.
 *
 *   UNSYNCED_FOLDER  the folder, as an absolute path without links
 *   UNSYNCED_TORN    how many of a hundred writes also reach the real file at once, in part and out of order, as a disk's cache
 *                    may do; 0 if absent
 *
 * Not covered: names of files (creating, renaming and deleting are durable at once), and files that are mapped for writing, of
 * which SQLite has one (-shm), which it rebuilds after a crash. Real fsync is not called: the machine itself does not fail here.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define SECTOR 512
#define BUCKETS 1024
#define DESCRIPTORS 65536

/* A part of a file as it would be in the page cache. */
struct page {
    uint64_t number;
    struct page *next;
    unsigned char bytes[PAGE];
};

/* A file under the folder. */
struct file {
    dev_t dev;
    ino_t ino;
    int descriptors;
    /* For reading and writing the real file, whatever the others are open for. It is closed last: closing any descriptor of a
       file gives up the process's locks on it. */
    int own;
    /* It has no name any more. */
    int gone;
    /* Something was written or cut off since the last sync. */
    int dirty;
    off_t size;
    /* As much of the real file counts where there is no page. */
    off_t real;
    struct page *pages[BUCKETS];
    struct file *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file *files;
static struct file *of_descriptor[DESCRIPTORS];
static char folder[4096];
static size_t folder_length;
static int torn;
static uint64_t chance = 88172645463325252ull;

#define REAL(result, name, ...) static result (*real_##name)(__VA_ARGS__)
REAL(int, open, const char *, int, ...);
REAL(int, openat, int, const char *, int, ...);
REAL(int, close, int);
REAL(int, dup, int);
REAL(int, dup2, int, int);
REAL(int, dup3, int, int, int);
REAL(int, fcntl, int, int, ...);
REAL(ssize_t, read, int, void *, size_t);
REAL(ssize_t, pread, int, void *, size_t, off_t);
REAL(ssize_t, readv, int, const struct iovec *, int);
REAL(ssize_t, write, int, const void *, size_t);
REAL(ssize_t, pwrite, int, const void *, size_t, off_t);
REAL(ssize_t, writev, int, const struct iovec *, int);
REAL(off_t, lseek, int, off_t, int);
REAL(int, ftruncate, int, off_t);
REAL(int, fsync, int);
REAL(int, fdatasync, int);
REAL(int, fstat, int, struct stat *);
REAL(int, stat, const char *, struct stat *);
REAL(int, lstat, const char *, struct stat *);
REAL(int, fstatat, int, const char *, struct stat *, int);
REAL(int, statx, int, const char *, int, unsigned, struct statx *);
REAL(void *, mmap, void *, size_t, int, int, int, off_t);
REAL(int, unlink, const char *);
REAL(int, unlinkat, int, const char *, int);
REAL(int, rename, const char *, const char *);
REAL(ssize_t, copy_file_range, int, off_t *, int, off_t *, size_t, unsigned);
REAL(ssize_t, sendfile, int, int, off_t *, size_t);
REAL(int, posix_fallocate, int, off_t, off_t);

static void set_up(void) {
    if (real_open) {
        return;
    }
#define FIND(name) *(void **)&real_##name = dlsym(RTLD_NEXT, #name)
    FIND(openat);
    FIND(close);
    FIND(dup);
    FIND(dup2);
    FIND(dup3);
    FIND(fcntl);
    FIND(read);
    FIND(pread);
    FIND(readv);
    FIND(write);
    FIND(pwrite);
    FIND(writev);
    FIND(lseek);
    FIND(ftruncate);
    FIND(fsync);
    FIND(fdatasync);
    FIND(fstat);
    FIND(stat);
    FIND(lstat);
    FIND(fstatat);
    FIND(statx);
    FIND(mmap);
    FIND(unlink);
    FIND(unlinkat);
    FIND(rename);
    FIND(copy_file_range);
    FIND(sendfile);
    FIND(posix_fallocate);
    const char *named = getenv("UNSYNCED_FOLDER");
    if (named && strlen(named) < sizeof folder - 1) {
        strcpy(folder, named);
        folder_length = strlen(folder);
    }
    const char *percent = getenv("UNSYNCED_TORN");
    torn = percent ? atoi(percent) : 0;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    chance ^= (uint64_t)now.tv_nsec << 20 ^ (uint64_t)getpid();
    FIND(open);
}

__attribute__((constructor)) static void begin(void) { set_up(); }

static uint64_t random_below(uint64_t bound) {
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return chance % bound;
}

/* What cannot be done as promised must not pass for a result. */
static void give_up(const char *why) {
    char text[256];
    int length = snprintf(text, sizeof text, "lost_writes: %s: %s\n", why, strerror(errno));
    if (real_write && length > 0 && real_write(2, text, (size_t)length) < 0) {
        abort();
    }
    abort();
}

static struct file *at(int fd) {
    return fd >= 0 && fd < DESCRIPTORS ? of_descriptor[fd] : NULL;
}

static struct page **place(struct file *file, uint64_t number) {
    struct page **slot = &file->pages[number % BUCKETS];
    while (*slot && (*slot)->number != number) {
        slot = &(*slot)->next;
    }
    return slot;
}

static void drop_pages(struct file *file, uint64_t from) {
    for (size_t bucket = 0; bucket < BUCKETS; bucket++) {
        struct page **slot = &file->pages[bucket];
        while (*slot) {
            if ((*slot)->number >= from) {
                struct page *page = *slot;
                *slot = page->next;
                free(page);
            } else {
                slot = &(*slot)->next;
            }
        }
    }
}

static void forget(struct file *file) {
    drop_pages(file, 0);
    real_close(file->own);
    for (struct file **slot = &files; *slot; slot = &(*slot)->next) {
        if (*slot == file) {
            *slot = file->next;
            break;
        }
    }
    free(file);
}

static struct file *known(dev_t dev, ino_t ino) {
    for (struct file *file = files; file; file = file->next) {
        if (file->dev == dev && file->ino == ino && !file->gone) {
            return file;
        }
    }
    return NULL;
}

static void release(struct file *file) {
    if (file && --file->descriptors == 0 && (file->gone || !file->dirty)) {
        forget(file);
    }
}

static void track(int fd, int flags) {
    if (fd < 0 || fd >= DESCRIPTORS || !folder_length) {
        return;
    }
    int before = errno;
    char link[64], path[4096 + 16];
    struct stat status;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length > 0 && real_fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
        path[length] = 0;
        int inside = strncmp(path, folder, folder_length) == 0 && path[folder_length] == '/';
        int mapped = length > 4 && strcmp(path + length - 4, "-shm") == 0;
        if (inside && !mapped) {
            struct file *file = known(status.st_dev, status.st_ino);
            if (!file) {
                file = calloc(1, sizeof *file);
                if (!file) {
                    give_up("no memory");
                }
                file->own = real_open(link, O_RDWR | O_CLOEXEC);
                if (file->own < 0) {
                    file->own = real_open(link, O_RDONLY | O_CLOEXEC);
                }
                if (file->own < 0) {
                    give_up("opening a file again");
                }
                file->dev = status.st_dev;
                file->ino = status.st_ino;
                file->size = file->real = status.st_size;
                file->next = files;
                files = file;
            } else if (flags & O_TRUNC) {
                drop_pages(file, 0);
                file->size = file->real = 0;
            }
            file->descriptors++;
            of_descriptor[fd] = file;
        }
    }
    errno = before;
}

/* Bytes of the file as whoever reads it sees them; `length` lies within its size. */
static void show(struct file *file, unsigned char *bytes, size_t length, off_t from) {
    while (length > 0) {
        uint64_t number = (uint64_t)from / PAGE;
        size_t inside = (size_t)from % PAGE;
        size_t part = PAGE - inside < length ? PAGE - inside : length;
        struct page *page = *place(file, number);
        if (page) {
            memcpy(bytes, page->bytes + inside, part);
        } else {
            memset(bytes, 0, part);
            off_t counts = file->real - from;
            size_t wanted = counts <= 0 ? 0 : (size_t)counts < part ? (size_t)counts : part;
            if (wanted > 0 && real_pread(file->own, bytes, wanted, from) < 0) {
                give_up("reading");
            }
        }
        bytes += part;
        length -= part;
        from += (off_t)part;
    }
}

static ssize_t take_out(struct file *file, void *bytes, size_t length, off_t from) {
    off_t left = file->size - from;
    if (left <= 0) {
        return 0;
    }
    if ((off_t)length > left) {
        length = (size_t)left;
    }
    show(file, bytes, length, from);
    return (ssize_t)length;
}

/* Some sectors of a write that reach the disk by themselves. */
static void leak(int fd, const unsigned char *bytes, size_t length, off_t from) {
    size_t sectors = (length + SECTOR - 1) / SECTOR;
    size_t first = random_below(sectors);
    size_t count = 1 + random_below(sectors - first);
    size_t begin = first * SECTOR;
    size_t end = begin + count * SECTOR < length ? begin + count * SECTOR : length;
    if (real_pwrite(fd, bytes + begin, end - begin, from + (off_t)begin) < 0) {
        give_up("writing a part");
    }
}

static ssize_t put_in(struct file *file, const void *from_bytes, size_t length, off_t from) {
    const unsigned char *bytes = from_bytes;
    if (length > 0 && torn > 0 && random_below(100) < (uint64_t)torn) {
        leak(file->own, bytes, length, from);
    }
    size_t done = 0;
    while (done < length) {
        off_t here = from + (off_t)done;
        uint64_t number = (uint64_t)here / PAGE;
        size_t inside = (size_t)here % PAGE;
        size_t part = PAGE - inside < length - done ? PAGE - inside : length - done;
        struct page **slot = place(file, number);
        if (!*slot) {
            struct page *page = malloc(sizeof *page);
            if (!page) {
                give_up("no memory");
            }
            show(file, page->bytes, PAGE, (off_t)(number * PAGE));
            page->number = number;
            page->next = NULL;
            *slot = page;
        }
        memcpy((*slot)->bytes + inside, bytes + done, part);
        done += part;
    }
    if (from + (off_t)length > file->size) {
        file->size = from + (off_t)length;
    }
    file->dirty = 1;
    return (ssize_t)length;
}

static void cut(struct file *file, off_t length) {
    if (torn > 0 && length < file->real && random_below(100) < (uint64_t)torn
        && real_ftruncate(file->own, length) != 0) {
        give_up("cutting");
    }
    if (length < file->size) {
        drop_pages(file, ((uint64_t)length + PAGE - 1) / PAGE);
        struct page *last = *place(file, (uint64_t)length / PAGE);
        if (last) {
            memset(last->bytes + length % PAGE, 0, PAGE - (size_t)(length % PAGE));
        }
    }
    if (length < file->real) {
        file->real = length;
    }
    file->size = length;
    file->dirty = 1;
}

/* Everything reaches the real file. */
static void hand_over(struct file *file) {
    if (!file->dirty) {
        return;
    }
    struct stat status;
    if (real_fstat(file->own, &status) != 0
        || (status.st_size > file->real && real_ftruncate(file->own, file->real) != 0)) {
        give_up("cutting at a sync");
    }
    for (size_t bucket = 0; bucket < BUCKETS; bucket++) {
        for (struct page *page = file->pages[bucket]; page; page = page->next) {
            off_t from = (off_t)(page->number * PAGE);
            off_t left = file->size - from;
            size_t length = left > PAGE ? PAGE : left > 0 ? (size_t)left : 0;
            if (length > 0 && real_pwrite(file->own, page->bytes, length, from) != (ssize_t)length) {
                give_up("writing at a sync");
            }
        }
    }
    if (real_ftruncate(file->own, file->size) != 0) {
        give_up("sizing at a sync");
    }
    drop_pages(file, 0);
    file->real = file->size;
    file->dirty = 0;
}

/* The file behind a descriptor, locked; to be unlocked if there is one. */
static struct file *locked(int fd) {
    set_up();
    if (!at(fd)) {
        return NULL;
    }
    pthread_mutex_lock(&lock);
    struct file *file = at(fd);
    if (!file) {
        pthread_mutex_unlock(&lock);
    }
    return file;
}

static int opened(int fd, int flags) {
    pthread_mutex_lock(&lock);
    track(fd, flags);
    pthread_mutex_unlock(&lock);
    return fd;
}

static mode_t mode_of(int flags, va_list rest) {
    return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, mode_t) : 0;
}

int open(const char *path, int flags, ...) {
    set_up();
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return opened(real_open(path, flags, mode), flags);
}

int open64(const char *path, int flags, ...) {
    set_up();
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return opened(real_open(path, flags, mode), flags);
}

int openat(int at_fd, const char *path, int flags, ...) {
    set_up();
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return opened(real_openat(at_fd, path, flags, mode), flags);
}

int openat64(int at_fd, const char *path, int flags, ...) {
    set_up();
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return opened(real_openat(at_fd, path, flags, mode), flags);
}

int close(int fd) {
    struct file *file = locked(fd);
    if (file) {
        of_descriptor[fd] = NULL;
        release(file);
        pthread_mutex_unlock(&lock);
    }
    return real_close(fd);
}

/* A second descriptor of the same file. */
static int copied(int from, int to) {
    struct file *file = to >= 0 ? locked(from) : NULL;
    if (file) {
        if (to < DESCRIPTORS && of_descriptor[to] != file) {
            struct file *other = of_descriptor[to];
            of_descriptor[to] = file;
            file->descriptors++;
            release(other);
        }
        pthread_mutex_unlock(&lock);
    }
    return to;
}

int dup(int fd) {
    set_up();
    return copied(fd, real_dup(fd));
}

int dup2(int fd, int to) {
    set_up();
    return copied(fd, real_dup2(fd, to));
}

int dup3(int fd, int to, int flags) {
    set_up();
    return copied(fd, real_dup3(fd, to, flags));
}

int fcntl(int fd, int command, ...) {
    set_up();
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    int result = real_fcntl(fd, command, argument);
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? copied(fd, result) : result;
}

int fcntl64(int fd, int command, ...) {
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    return fcntl(fd, command, argument);
}

ssize_t pread(int fd, void *bytes, size_t length, off_t from) {
    struct file *file = locked(fd);
    if (!file) {
        return real_pread(fd, bytes, length, from);
    }
    ssize_t result = take_out(file, bytes, length, from);
    pthread_mutex_unlock(&lock);
    return result;
}

ssize_t pread64(int fd, void *bytes, size_t length, off_t from) {
    return pread(fd, bytes, length, from);
}

ssize_t read(int fd, void *bytes, size_t length) {
    struct file *file = locked(fd);
    if (!file) {
        return real_read(fd, bytes, length);
    }
    off_t from = real_lseek(fd, 0, SEEK_CUR);
    ssize_t result = take_out(file, bytes, length, from);
    real_lseek(fd, from + result, SEEK_SET);
    pthread_mutex_unlock(&lock);
    return result;
}

ssize_t readv(int fd, const struct iovec *parts, int count) {
    if (!at(fd)) {
        set_up();
        return real_readv(fd, parts, count);
    }
    ssize_t all = 0;
    for (int part = 0; part < count; part++) {
        ssize_t result = read(fd, parts[part].iov_base, parts[part].iov_len);
        if (result < 0) {
            return result;
        }
        all += result;
        if ((size_t)result < parts[part].iov_len) {
            break;
        }
    }
    return all;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t from) {
    struct file *file = locked(fd);
    if (!file) {
        return real_pwrite(fd, bytes, length, from);
    }
    ssize_t result = put_in(file, bytes, length, from);
    pthread_mutex_unlock(&lock);
    return result;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t from) {
    return pwrite(fd, bytes, length, from);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    struct file *file = locked(fd);
    if (!file) {
        return real_write(fd, bytes, length);
    }
    int appends = real_fcntl(fd, F_GETFL) & O_APPEND;
    off_t from = appends ? file->size : real_lseek(fd, 0, SEEK_CUR);
    ssize_t result = put_in(file, bytes, length, from);
    real_lseek(fd, from + result, SEEK_SET);
    pthread_mutex_unlock(&lock);
    return result;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (!at(fd)) {
        set_up();
        return real_writev(fd, parts, count);
    }
    ssize_t all = 0;
    for (int part = 0; part < count; part++) {
        all += write(fd, parts[part].iov_base, parts[part].iov_len);
    }
    return all;
}

off_t lseek(int fd, off_t offset, int whence) {
    struct file *file = whence == SEEK_END ? locked(fd) : NULL;
    if (!file) {
        set_up();
        return real_lseek(fd, offset, whence);
    }
    off_t result = real_lseek(fd, file->size + offset, SEEK_SET);
    pthread_mutex_unlock(&lock);
    return result;
}

off_t lseek64(int fd, off_t offset, int whence) { return lseek(fd, offset, whence); }

int ftruncate(int fd, off_t length) {
    struct file *file = locked(fd);
    if (!file) {
        return real_ftruncate(fd, length);
    }
    cut(file, length);
    pthread_mutex_unlock(&lock);
    return 0;
}

int ftruncate64(int fd, off_t length) { return ftruncate(fd, length); }

int posix_fallocate(int fd, off_t from, off_t length) {
    struct file *file = locked(fd);
    if (!file) {
        return real_posix_fallocate(fd, from, length);
    }
    if (from + length > file->size) {
        cut(file, from + length);
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

int posix_fallocate64(int fd, off_t from, off_t length) {
    return posix_fallocate(fd, from, length);
}

int fsync(int fd) {
    struct file *file = locked(fd);
    if (!file) {
        return real_fsync(fd);
    }
    hand_over(file);
    pthread_mutex_unlock(&lock);
    return 0;
}

int fdatasync(int fd) {
    struct file *file = locked(fd);
    if (!file) {
        return real_fdatasync(fd);
    }
    hand_over(file);
    pthread_mutex_unlock(&lock);
    return 0;
}

static int sized(int result, struct stat *status) {
    if (result == 0 && S_ISREG(status->st_mode)) {
        pthread_mutex_lock(&lock);
        struct file *file = known(status->st_dev, status->st_ino);
        if (file) {
            status->st_size = file->size;
        }
        pthread_mutex_unlock(&lock);
    }
    return result;
}

#define STATUS(name, parameters, ...)                       \
    int name parameters {                                   \
        set_up();                                           \
        return sized(__VA_ARGS__, status);                  \
    }
STATUS(fstat, (int fd, struct stat *status), real_fstat(fd, status))
STATUS(stat, (const char *path, struct stat *status), real_stat(path, status))
STATUS(lstat, (const char *path, struct stat *status), real_lstat(path, status))
STATUS(fstatat, (int at_fd, const char *path, struct stat *status, int flags), real_fstatat(at_fd, path, status, flags))

/* The same structure, where a file's size has 64 bits anyway. */
_Static_assert(sizeof(struct stat) == sizeof(struct stat64), "a machine of 64 bits");
int fstat64(int fd, struct stat64 *status) { return fstat(fd, (struct stat *)status); }
int stat64(const char *path, struct stat64 *status) { return stat(path, (struct stat *)status); }
int lstat64(const char *path, struct stat64 *status) { return lstat(path, (struct stat *)status); }
int fstatat64(int at_fd, const char *path, struct stat64 *status, int flags) {
    return fstatat(at_fd, path, (struct stat *)status, flags);
}

int statx(int at_fd, const char *path, int flags, unsigned mask, struct statx *status) {
    set_up();
    int result = real_statx(at_fd, path, flags, mask, status);
    if (result == 0 && S_ISREG(status->stx_mode)) {
        pthread_mutex_lock(&lock);
        dev_t dev = makedev(status->stx_dev_major, status->stx_dev_minor);
        struct file *file = known(dev, status->stx_ino);
        if (file) {
            status->stx_size = (uint64_t)file->size;
        }
        pthread_mutex_unlock(&lock);
    }
    return result;
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t from) {
    struct file *file = flags & MAP_ANONYMOUS ? NULL : locked(fd);
    if (!file) {
        set_up();
        return real_mmap(address, length, protection, flags, fd, from);
    }
    void *result;
    if (!file->dirty) {
        result = real_mmap(address, length, protection, flags, fd, from);
    } else if (flags & MAP_PRIVATE) {
        int wanted = protection | PROT_WRITE;
        result = real_mmap(address, length, wanted, flags | MAP_ANONYMOUS, -1, 0);
        if (result != MAP_FAILED) {
            take_out(file, result, length, from);
            if (mprotect(result, length, protection) != 0) {
                give_up("mapping");
            }
        }
    } else {
        errno = ENOTSUP;
        give_up("a file with unsynced writes is mapped for writing");
        result = MAP_FAILED;
    }
    pthread_mutex_unlock(&lock);
    return result;
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off_t from) {
    return mmap(address, length, protection, flags, fd, from);
}

/* A file that is about to lose its name; null if it is none of ours, or has others. */
static struct file *losing(int at_fd, const char *path) {
    struct stat status;
    if (real_fstatat(at_fd, path, &status, AT_SYMLINK_NOFOLLOW) != 0 || status.st_nlink != 1) {
        return NULL;
    }
    return known(status.st_dev, status.st_ino);
}

static void lost(struct file *file) {
    if (file) {
        file->gone = 1;
        if (file->descriptors == 0) {
            forget(file);
        }
    }
}

int unlinkat(int at_fd, const char *path, int flags) {
    set_up();
    pthread_mutex_lock(&lock);
    struct file *file = losing(at_fd, path);
    int result = real_unlinkat(at_fd, path, flags);
    int why = errno;
    lost(result == 0 ? file : NULL);
    pthread_mutex_unlock(&lock);
    errno = why;
    return result;
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

int rename(const char *from, const char *to) {
    set_up();
    pthread_mutex_lock(&lock);
    struct file *file = losing(AT_FDCWD, to);
    struct file *same = losing(AT_FDCWD, from);
    int result = real_rename(from, to);
    int why = errno;
    lost(result == 0 && file != same ? file : NULL);
    pthread_mutex_unlock(&lock);
    errno = why;
    return result;
}

/* The callers fall back to reading and writing. */
ssize_t copy_file_range(int from, off_t *from_at, int to, off_t *to_at, size_t length, unsigned flags) {
    if (at(from) || at(to)) {
        errno = EXDEV;
        return -1;
    }
    set_up();
    return real_copy_file_range(from, from_at, to, to_at, length, flags);
}

ssize_t sendfile(int to, int from, off_t *at_offset, size_t length) {
    if (at(from) || at(to)) {
        errno = EINVAL;
        return -1;
    }
    set_up();
    return real_sendfile(to, from, at_offset, length);
}
